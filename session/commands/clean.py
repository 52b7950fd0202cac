"""`clapcap clean`: motion clean-up alone, on files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "clean"
EXAMPLE = "Example: `clapcap clean keypoints3d.npz -o smooth.trc --filter butterworth --cutoff-hz 6 --plot left_wrist`"


def command(
    source: Annotated[Path, typer.Argument(help="Points: .npz .csv .json .trc .c3d; or a motion: .npz .bvh.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Points: the same; a motion: .bvh, .csv, .mot, .npz. Another file.")
    ],
    filter_: Annotated[
        str,
        typer.Option("--filter", help="none, butterworth, savitzky-golay, gaussian, median, one-euro, kalman."),
    ] = "none",
    max_gap: Annotated[float, typer.Option(help="Gaps up to so many seconds are filled.")] = 0.2,
    spikes: Annotated[bool, typer.Option("--spikes/--no-spikes", help="Take spikes out.")] = True,
    cutoff_hz: Annotated[
        float | None, typer.Option(help="butterworth (8), gaussian (8), one-euro at rest (4).")
    ] = None,
    window_s: Annotated[float | None, typer.Option(help="savitzky-golay (0.15), median (0.07).")] = None,
    order: Annotated[float | None, typer.Option(help="butterworth (4), savitzky-golay (3).")] = None,
    beta: Annotated[float | None, typer.Option(help="one-euro (10): Hz for each m/s.")] = None,
    jerk: Annotated[float | None, typer.Option(help="kalman (200): m/s3 / sqrt(Hz), less is smoother.")] = None,
    plot: Annotated[
        list[str] | None, typer.Option(metavar="JOINT", help="Draw it before and after; may be given again.")
    ] = None,
    between: Annotated[str | None, typer.Option(metavar="FROM:TO", help="Draw these seconds only.")] = None,
    picture: Annotated[str, typer.Option(help="Pictures as .png or .svg.")] = ".png",
    bvh_unit: Annotated[str, typer.Option(help="Lengths in a BVH file: m, cm or mm.")] = "m",
) -> None:
    """Take spikes out of points or of a motion, fill short gaps, and smooth if a filter is named."""
    from clapcap.errors import SessionError
    from retarget.cleanup.points import CleanUp
    from session.clean_files import clean_file, moments
    from session.terminal import Terminal

    given = {"cutoff_hz": cutoff_hz, "window_s": window_s, "order": order, "beta": beta, "jerk": jerk}
    chosen = {name: value for name, value in given.items() if value is not None}
    if not max_gap >= 0:
        raise SessionError(f"--max-gap is {max_gap:g} s, needed 0 or more.")
    clean_file(
        source,
        output,
        CleanUp(max_gap, spikes, filter_, chosen),
        Terminal(),
        plot=plot or (),
        between_s=None if between is None else moments(between),
        picture=picture,
        bvh_unit=bvh_unit,
    )
