"""`clapcap sync`: the time maps of the cameras."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clapcap.errors import SessionError

NAME = "sync"
EXAMPLE = "Example: `clapcap sync my-session --take dance --offset cam2=0.73`"


def command(
    session: Annotated[Path, typer.Argument(help="The session folder.")],
    take: Annotated[
        str | None, typer.Option(help='Only this take (or "calibration"); otherwise every recording.')
    ] = None,
    offset: Annotated[
        list[str] | None,
        typer.Option(metavar="CAM=SECONDS", help="A camera's offset by hand: session time = offset + camera time."),
    ] = None,
    timestamps: Annotated[
        Path | None, typer.Option(help="A table of capture times (CSV: cam_id, frame_index, frame_time).")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help='"auto", "clap", "motion", "flash", "timestamps", or "frames" (shutters synced by cable).'),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(
            metavar="CLIP", help="Also write a video of all cameras side by side with sound, such as clip.mp4."
        ),
    ] = None,
    around: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Session time in the middle of that video.")
    ] = None,
) -> None:
    """Bring the cameras onto one time line, by the sound of a clap unless told otherwise.

    What you give is remembered in session.toml. results/TAKE/sync.html shows how well the cameras agree. The video of
    --check has 8 seconds from shortly before the first clap, or the whole take if it is short.
    """
    from session.clocks import remember_sync, sync_recording, sync_table
    from session.folder import Session
    from session.processing.detection import detection
    from session.report.sync_stage import sync_page_stage
    from session.stages import Stages
    from session.sync_check import check_sync
    from session.terminal import Terminal

    terminal = Terminal()
    opened = Session.open(session)
    offsets = {}
    for entry in offset or []:
        camera, _, seconds = entry.partition("=")
        try:
            offsets[camera] = float(seconds)
        except ValueError:
            raise SessionError(f'--offset "{entry}" cannot be read. Write it like this: --offset cam2=0.73') from None
    recordings = opened.recordings(take)
    if not recordings:
        raise SessionError(f"{session} holds no videos yet. Put them in calibration/ and takes/NAME/.")
    if around is not None and check is None:
        raise SessionError("--around is for the video that --check CLIP writes. Give both.")
    if (offsets or timestamps or method or check) and len(recordings) > 1:
        names = ", ".join(recording.name for recording in recordings)
        raise SessionError(f"Which recording is meant? Add --take with one of: {names}")
    if offsets or timestamps or method:
        opened = remember_sync(opened, recordings[0], offsets, timestamps, method)
        recordings = opened.recordings(recordings[0].name)
    for recording in recordings:
        stages = Stages(opened, recording, terminal)
        time_map = sync_recording(opened, recording, stages, detection(opened, recording, stages))
        sync_table(recording, time_map, terminal)
        sync_page_stage(opened, recording, stages, time_map)
        if check is not None:
            check_sync(recording, time_map, check, around, terminal)
