"""`clapcap calibrate`: the wizard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

NAME = "calibrate"
EXAMPLE = "Example: `clapcap calibrate my-session`; with another tool's cameras: `--import cameras.toml`"
LISTS = ("--videos", "--names", "--live")


def spread_lists(argv: Sequence[str]) -> list[str]:
    """Repeat the options of `calibrate` that take several words: `--live 0 1` becomes `--live 0 --live 1`."""
    if next((argument for argument in argv if not argument.startswith("-")), None) != NAME:
        return list(argv)
    spread: list[str] = []
    option = ""
    for place, argument in enumerate(argv):
        if argument.startswith("-"):
            option = argument if argument in LISTS else ""
            empty = place + 1 == len(argv) or argv[place + 1].startswith("-")
            spread += [argument] if not option or empty else []
        else:
            spread += [option, argument] if option else [argument]
    return spread


def command(
    session: Annotated[
        Path | None, typer.Argument(help="The session folder; a new one is made.", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    videos: Annotated[
        list[Path] | None,
        typer.Option(metavar="V...", help="The cameras' videos of the board, or their folder, to bring in."),
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME...", help="What to call the cameras of --videos or --live, in order."),
    ] = None,
    board: Annotated[str | None, typer.Option(metavar="COLSxROWS", help="Squares of the board, across x down.")] = None,
    square_mm: Annotated[float | None, typer.Option(help="Side of a square, as measured on the print.")] = None,
    marker_mm: Annotated[
        float | None, typer.Option(help="Side of a marker; by default it keeps its share of the square.")
    ] = None,
    dictionary: Annotated[str | None, typer.Option(help="OpenCV's name of the marker dictionary.")] = None,
    kind: Annotated[str | None, typer.Option(help="charuco, checkerboard (no markers) or aprilgrid.")] = None,
    print_to: Annotated[
        Path | None, typer.Option("--print", metavar="FILE", help="Write the board there (.pdf, .svg, .png).")
    ] = None,
    live: Annotated[
        list[str] | None,
        typer.Option(metavar="CAM...", help="Film the board now, with these webcams (0 1), streams or video files."),
    ] = None,
    record: Annotated[
        bool, typer.Option("--record/--no-record", help="With --live: write the videos, or only watch.")
    ] = True,
    timestamps: Annotated[
        Path | None, typer.Option(help="A table of capture times (CSV: cam_id, frame_index, frame_time).")
    ] = None,
    frames: Annotated[
        str | None, typer.Option(metavar="START:STOP:STEP", help="Only these frames of the videos.")
    ] = None,
    import_: Annotated[
        Path | None,
        typer.Option("--import", help="A calibration made elsewhere, by any tool of docs/cameras.md."),
    ] = None,
    floor_time: Annotated[
        float | None, typer.Option(help="When the board lies on the floor, in seconds of session time.")
    ] = None,
    floor: Annotated[
        str | None,
        typer.Option(
            metavar="FLOOR",
            help='"board": where it was laid down; "feet:TAKE": under the feet of a take; "none": the cameras\' level.',
        ),
    ] = None,
    known_length: Annotated[
        list[str] | None,
        typer.Option(metavar="CAM-CAM=METRES", help="A length by tape to check the scale (or CAM-floor=METRES)."),
    ] = None,
    preset: Annotated[
        list[str] | None,
        typer.Option(metavar="CAM=PRESET", help="Begin with a lens kept before: its name or file; CAM=none: without."),
    ] = None,
    save_preset: Annotated[
        list[str] | None,
        typer.Option(metavar="CAM=NAME", help="Keep a camera's lens for other sessions: a name, or a file NAME.toml."),
    ] = None,
    solver: Annotated[str | None, typer.Option(help='"clapcap", or "anipose" to compare.')] = None,
) -> None:
    """Calibrate the cameras from the videos of the board, or take over a calibration.

    On a terminal it leads from printing the board to the verdict, and asks what it must; every answer can be given as
    an option. What you give is remembered in session.toml. Stop it whenever you like: it goes on where it was.
    """
    from session.calibration import calibrate_session, remember_calibration
    from session.calibration_tables import calibration_table, say_verdict
    from session.clocks import take_timestamps
    from session.floor import remember_floor
    from session.presets import refuse_unkeepable, remember_presets, save_presets
    from session.terminal import Terminal
    from session.wizard.answers import Answers, Talk
    from session.wizard.conversation import prepare
    from session.wizard.session_step import session_step

    terminal = Terminal()
    answers = Answers(
        board,
        square_mm,
        marker_mm,
        dictionary,
        kind,
        print_to,
        videos=tuple(videos or ()),
        names=tuple(names or ()),
        live=tuple(live or ()),
        record=record,
    )
    talk = Talk(terminal, answers, asks=not yes and terminal.can_ask)
    opened = session_step(session, talk)
    opened = remember_calibration(opened, None, frames, import_, floor_time, solver)
    opened = remember_floor(opened, floor, known_length or ())
    ready = prepare(opened, talk)
    if ready is None:
        return
    if timestamps is not None:  # they are checked against the videos, which may just have been brought in
        take_timestamps(ready.calibration, timestamps)
    ready = remember_presets(ready, preset or ())
    refuse_unkeepable(ready, save_preset or ())
    calibrate_session(ready, terminal)
    calibration_table(ready, terminal)
    say_verdict(ready, terminal)
    save_presets(ready, save_preset or (), terminal)
