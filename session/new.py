"""Making a session folder: settings, and the videos linked or copied in."""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from clapcap.errors import SessionError
from session.atomic import written_whole
from session.board import to_board
from session.folder import CALIBRATION, VIDEO_SUFFIXES, Session, find_videos, is_video
from session.settings import BoardSettings, load_settings, new_settings_text
from session.terminal import Terminal


def create_session(
    root: Path,
    calibration: Sequence[Path],
    takes: Mapping[str, Sequence[Path]],
    board: BoardSettings,
    terminal: Terminal,
) -> bool:
    """Make the session folder at `root`, or add recordings to the one that is there; return whether it is new.

    Everything is checked before anything is written. An existing `session.toml` and existing videos stay as they are.

    Raises
    ------
    SessionError
        If a video is missing or no video, a name is used twice, or a different video of that name is already there.
    """
    to_board(board)  # refuses boards that cannot be
    folders = {root / CALIBRATION: list(calibration)}
    for name, videos in takes.items():
        if not name or name == CALIBRATION or Path(name).name != name or name.startswith("."):
            raise SessionError(f'"{name}" cannot name a take. Use a plain word: --take dance cam1.mp4 cam2.mp4')
        if not videos:
            raise SessionError(f'Take "{name}" has no videos. Name one a camera: --take {name} cam1.mp4 cam2.mp4')
        folders[root / "takes" / name] = list(videos)
    for folder, videos in folders.items():
        _check(folder, videos)

    settings = root / "session.toml"
    made = not settings.exists()
    if made:
        with written_whole(settings) as partial:
            partial.write_text(new_settings_text(board), encoding="utf-8")
    load_settings(settings)
    for folder, videos in folders.items():
        folder.mkdir(parents=True, exist_ok=True)
        for video in videos:
            how = bring_in(video, folder / video.name)
            terminal.done(f"{folder.relative_to(root)}/{video.name}", how)
    (root / "takes").mkdir(exist_ok=True)
    return made


def bring_in(source: Path, target: Path) -> str:
    """Link the file or folder into the session, or copy it where links are impossible; say which."""
    if target.exists():
        return "already there"
    if source.is_dir():
        for picture in sorted(source.iterdir()):
            if picture.is_file():
                target.mkdir(parents=True, exist_ok=True)
                bring_in(picture, target / picture.name)
        return "linked"
    try:
        os.link(source.resolve(), target)
        return "linked"
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.EACCES):
            raise
    with written_whole(target) as partial:
        shutil.copyfile(source, partial)
    return "copied"


def _check(folder: Path, videos: Sequence[Path]) -> None:
    """Refuse videos that are missing, no videos, or would collide."""
    names: dict[str, Path] = {name: path for name, path in find_videos(folder).items()}
    for video in videos:
        if not video.exists():
            raise SessionError(f"{video} does not exist. Check the path (you are in {Path.cwd().name}/).")
        if not is_video(video):
            raise SessionError(
                f"{video} is no video: needed {' '.join(VIDEO_SUFFIXES)}, or a folder of pictures. "
                "Export it in one of these and try again."
            )
        name = video.name if video.is_dir() else video.stem
        there = names.get(name)
        if there is not None and not (there.name == video.name and same_content(there, video)):
            raise SessionError(
                f'{there} and {video} would both be camera "{name}". Nothing was written. Rename one, or give a new '
                "take another name."
            )
        names[name] = video


def same_content(one: Path, other: Path) -> bool:
    """Tell whether two files hold the same; of folders, whether they are the same folder."""
    if one.samefile(other) or (one.is_dir() and other.is_dir()):
        return True
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)


def say_next_step(root: Path, terminal: Terminal) -> None:
    """Say what to do with a session that was made or added to."""
    takes = [take.videos for take in Session.open(root).takes]
    if find_videos(root / CALIBRATION):
        terminal.say("Next:")
    elif takes and all(len(videos) == 1 for videos in takes):
        terminal.say("Next: one camera needs no board, depth is inferred then, not measured:")
        terminal.command(f"clapcap process {root} --height 1.72")
        terminal.say("With more cameras of the same take, depth is measured; print the board and film it first:")
    else:
        terminal.say("Next: print the board and film it. The wizard leads through it:")
    terminal.command(f"clapcap calibrate {root}")
