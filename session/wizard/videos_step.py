"""The wizard on the videos: how to film the board, where the files are, what to call the cameras."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlparse

from clapcap.errors import SessionError
from session.folder import VIDEO_SUFFIXES, Session, find_videos, is_video
from session.new import bring_in, same_content
from session.terminal import Terminal
from session.wizard.answers import Talk

FEWEST = 2
"""Cameras that can be calibrated as a group."""

MADE_BY_DEVICES = re.compile(
    r"(IMG|VID|MVI|MOV|DSC|DSCN|PXL|GOPR|GX|GH|DJI|P|C)?[_-]?\d{3,}.*|.*\d{8}.*", re.IGNORECASE
)
"""Names that phones and cameras give: they count up, so the next take's will differ."""

HOW_TO_FILM = (
    "Fix the cameras so that nothing moves them until your takes are filmed.",
    "Lock them: same resolution, landscape or portrait, no zoom, focus locked, stabilisation off.",
    "Make light: the more, the less blur. No reflections on the board.",
    "Start all cameras, then clap once where all of them hear it (hands in sight).",
    "Carry the board slowly through the whole space, for one or two minutes. Let two cameras or more see it at a time, "
    "and every camera together with another one.",
    "Tilt it: top and bottom, left and right towards the camera, 30 degrees and more.",
    "Bring it into the corners of every camera's picture, near and far.",
    "At the end lay it flat on the floor, print up, for three seconds: that is the world's floor.",
    "Stop the cameras. Do not touch them.",
)


def videos_step(session: Session, talk: Talk) -> bool:
    """Bring the calibration videos in; return whether there are enough to go on.

    Raises
    ------
    SessionError
        If videos that were named by flags cannot be brought in.
    """
    terminal = talk.terminal
    if talk.answers.videos:
        chosen = [video for path in talk.answers.videos for video in expand(path)]
        names = list(talk.answers.names) or [camera_name(video) for video in chosen]
        if len(names) != len(chosen):
            raise SessionError(f"--names gives {len(names)} names for {len(chosen)} videos. Name each, in order.")
        add_videos(session, dict(_paired(names, chosen)), terminal)
    if len(session.calibration.videos) >= FEWEST or not talk.asks:
        return True
    how_to_film(terminal)
    found = ask_for_videos(session, terminal)
    if found:
        add_videos(session, _name(session, found, terminal), terminal)
    if len(session.calibration.videos) >= FEWEST:
        return True
    terminal.heading("Next")
    terminal.say("Film the board, then come back: the same command goes on here.")
    terminal.command(f"clapcap calibrate {session.root}")
    terminal.say("With webcams on this computer, it shows what to do while you film, and needs no clap:")
    terminal.command(f"clapcap calibrate {session.root} --live 0 1")
    return False


def how_to_film(terminal: Terminal) -> None:
    """Say how to film the board."""
    terminal.heading("How to film it")
    terminal.points(HOW_TO_FILM)


def ask_for_videos(session: Session, terminal: Terminal) -> list[Path]:
    """Ask where the videos are until there are enough of them, or none yet."""
    have = len(session.calibration.videos)
    terminal.heading("The videos")
    if have:
        terminal.say(f"{', '.join(session.calibration.videos)} is there; {FEWEST} cameras or more are needed.")
    found: list[Path] = []

    def read(answer: str) -> list[Path]:
        videos = [video for path in typed_paths(answer) for video in expand(path)]
        _refuse_same([*found, *videos])
        return videos

    none: list[Path] = []
    question = "Drag the videos of all cameras, or their folder, into this window, and press Enter."
    while True:
        enough = have + len(found) >= FEWEST
        without = "no more" if enough else "stop" if found else "not filmed yet"
        more = terminal.ask(question, read, shown=without, default=none)
        if not more:
            return found if enough else []
        found += more
        question = f"{_cameras(have + len(found))} so far. More?"


def typed_paths(answer: str) -> list[Path]:
    """Read paths as people type them and as terminals write what is dragged in: quoted, escaped, as file: addresses.

    Raises
    ------
    SessionError
        If the quotes do not match.
    """
    if Path(answer).expanduser().exists():
        return [Path(answer).expanduser()]
    try:
        words = shlex.split(answer)
    except ValueError as error:
        raise SessionError(f"That cannot be read ({error}). Put paths with spaces in quotes.") from None
    paths = [unquote(urlparse(word).path) if word.startswith("file://") else word for word in words]
    return [Path(path).expanduser() for path in paths]


def expand(path: Path) -> list[Path]:
    """Return the videos that a path means: itself, or those in a folder of videos.

    Raises
    ------
    SessionError
        If there are none.
    """
    if not path.exists():
        raise SessionError(f"{path} does not exist. Check the path (you are in {Path.cwd()}).")
    if is_video(path):
        return [path]
    inside = list(find_videos(path).values()) if path.is_dir() else []
    if not inside:
        raise SessionError(f"{path} is no video and holds none: needed {' '.join(VIDEO_SUFFIXES)}, or pictures.")
    return inside


def camera_name(video: Path) -> str:
    """Return the camera's name that a video's own name gives."""
    return video.name if video.is_dir() else video.stem


def add_videos(session: Session, videos: Mapping[str, Path], terminal: Terminal) -> None:
    """Link or copy videos into the calibration under their camera's name; all are checked before one is brought in.

    Raises
    ------
    SessionError
        If a camera's video is there already and differs.
    MediaError
        If one cannot be read.
    """
    from media.probe import probe

    folder = session.calibration.folder
    there = session.calibration.videos
    targets = {}
    for name, video in videos.items():
        if not name or Path(name).name != name or name.startswith("."):
            raise SessionError(f'"{name}" cannot name a camera. Use a plain word, such as cam1.')
        targets[name] = folder / (name if video.is_dir() else name + video.suffix)
        if name in there and not (there[name] == targets[name] and same_content(there[name], video)):
            raise SessionError(
                f'{there[name]} is camera "{name}" already, and {video} differs from it. Nothing was written. Move the '
                "old videos out of the folder, or give the new ones other names."
            )
    silent = [name for name, video in videos.items() if probe(video).audio is None]
    folder.mkdir(parents=True, exist_ok=True)
    for name, video in videos.items():
        terminal.done(f"{folder.name}/{targets[name].name}", f"{bring_in(video, targets[name])} from {video}")
    if silent and not session.calibration.timestamps.exists():
        terminal.warn(f"{', '.join(silent)}: no sound, so no clap can be heard. Keep another way of timing at hand.")


def _name(session: Session, videos: Sequence[Path], terminal: Terminal) -> dict[str, Path]:
    """Let the cameras be named where the files' names would change with every take or are not unique."""
    names = [camera_name(video) for video in videos]
    plain = not any(MADE_BY_DEVICES.fullmatch(name) for name in names)
    if plain and len(set(names)) == len(names):
        return dict(zip(names, videos, strict=True))
    terminal.say(
        "A camera's file must have the same name in the calibration and in every take, so each camera gets a name. "
        "Your files keep theirs."
    )
    named: dict[str, Path] = {}

    def read(answer: str) -> str:
        if answer in taken or Path(answer).name != answer or answer.startswith("."):
            raise SessionError(f'"{answer}" is taken, or no plain word. Type another name, such as {free}.')
        return answer

    for video in videos:
        taken = {*named, *session.calibration.videos}
        free = next(name for number in itertools.count(1) if (name := f"cam{number}") not in taken)
        named[terminal.ask(f"Name of the camera of {video.name}?", read, shown=free, default=free)] = video
    return named


def _paired(names: Sequence[str], videos: Sequence[Path]) -> list[tuple[str, Path]]:
    """Pair names and videos.

    Raises
    ------
    SessionError
        If a name would be given twice.
    """
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise SessionError(
            f'Two of the videos would be camera "{sorted(twice)[0]}". Nothing was written. Name the cameras: --names '
            f"{' '.join(f'cam{number}' for number in range(1, len(videos) + 1))}"
        )
    return list(zip(names, videos, strict=True))


def _refuse_same(videos: Sequence[Path]) -> None:
    seen: list[Path] = []
    for video in videos:
        if any(video.samefile(other) for other in seen):
            raise SessionError(f"{video} is named twice. Name one video for each camera.")
        seen.append(video)


def _cameras(count: int) -> str:
    return "1 camera" if count == 1 else f"{count} cameras"
