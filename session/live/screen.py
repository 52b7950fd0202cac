"""What is shown while the board is being filmed, in 80 columns."""

from __future__ import annotations

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from calib.quality.advice import WANTED_TILTS, Advice
from calib.quality.live_views import CELLS, LiveViews
from calib.quality.verdict import WANTED_SHARED_VIEWS, WANTED_VIEWS
from session.terminal import wrapped

SHADES = (" ", "░", "▒", "█")
"""A cell that was never seen, once or twice, some times, often."""

BOX = CELLS[0] + 2
GAP = 4


def live_screen(seen: LiveViews, advice: Advice, state: str, width: int) -> RenderableType:
    """Draw the cameras' pictures with where the board was in them, who saw it together, and what to do next.

    Parameters
    ----------
    seen, advice
        What to show.
    state
        The last line: time, recording, keys.
    width
        Columns.
    """
    lines: list[Text] = []
    in_a_row = max(1, (width + GAP) // (BOX + GAP))
    for start in range(0, len(seen.names), in_a_row):
        cameras = range(start, min(start + in_a_row, len(seen.names)))
        columns = [_camera(seen, camera, seen.names[camera] in advice.about) for camera in cameras]
        for row in zip(*columns, strict=True):
            lines.append(Text(" " * GAP).join(row))
        lines.append(Text())
    lines += _together(seen, width)
    lines.append(Text())
    lines.append(Text(wrapped(f"> {advice.text}", width, hang=2), style="bold"))
    lines.append(Text(wrapped(f"  {100 * advice.progress:.0f} % · {state}", width, hang=2), style="dim"))
    return Group(*lines)


def _camera(seen: LiveViews, camera: int, meant: bool) -> list[Text]:
    """Draw one camera: its picture in cells, and counts below it, `BOX` columns wide."""
    count = seen.cells[camera]
    shade = np.digitize(count, [1, 3, 10])
    now = "blurred" if seen.blurred[camera] else "in sight" if seen.here[camera] else "no board"
    edge = "cyan" if meant else ""
    rows = [Text(f"{seen.names[camera][:BOX]:<{BOX}}", style="bold cyan" if meant else "bold")]
    rows.append(Text(f"┌{'─' * CELLS[0]}┐", style=edge))
    rows += [Text(f"│{''.join(SHADES[cell] for cell in row)}│", style=edge) for row in shade]
    rows.append(Text(f"└{'─' * CELLS[0]}┘", style=edge))
    rows.append(Text(f"{now:<{BOX}}", style="yellow" if seen.blurred[camera] else "dim"))
    for name, have, wanted in (
        ("views", seen.views[camera], WANTED_VIEWS),
        ("tilt ↕", seen.leaning[camera], WANTED_TILTS),
        ("tilt ↔", seen.turned[camera], WANTED_TILTS),
    ):
        text = f"{name:<7}{min(have, 99):>2}/{wanted}"
        rows.append(Text(f"{text:<{BOX}}", style="green" if have >= wanted else ""))
    return rows


def _together(seen: LiveViews, width: int) -> list[Text]:
    """List how often pairs of cameras saw the board together, the most first, on one line or two."""
    pairs = [
        (int(seen.shared[a, b]), f"{seen.names[a]}+{seen.names[b]}")
        for a in range(len(seen.names))
        for b in range(a + 1, len(seen.names))
    ]
    pairs.sort(key=lambda pair: -pair[0])
    told = "  ".join(f"{name} {count}" for count, name in pairs)
    return [Text(line) for line in wrapped(f"together (of {WANTED_SHARED_VIEWS}): {told}", width, hang=2).split("\n")]
