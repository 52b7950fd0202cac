"""The session folder: where everything lies, and what is in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from clapcap.errors import SessionError
from session.settings import Settings, load_settings

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
CALIBRATION = "calibration"


@dataclass(frozen=True)
class Recording:
    """One synchronous recording by all cameras: the calibration or a take.

    Attributes
    ----------
    name
        "calibration", or the take's name.
    folder
        Where its videos lie.
    videos
        The videos (or folders of pictures) by camera name, the file's stem, in order of the name.
    results
        Where its results go.
    person
        Of several people, whose results these are, by number; 0: whom the detector shows first in each picture.
    whole
        Where the results are that all people share; None: in `results` too.
    """

    name: str
    folder: Path
    videos: dict[str, Path]
    results: Path
    person: int = 0
    whole: Path | None = None

    @property
    def root(self) -> Path:
        """The session that it belongs to."""
        return self.shared_results.parent.parent

    @property
    def shared_results(self) -> Path:
        """Where the results are that all people of the take share."""
        return self.whole or self.results

    def of_person(self, number: int, main: bool) -> Recording:
        """Return the take as one person's: the main person's results are the take's own, others' in a folder below."""
        if main:
            return replace(self, person=number)
        name = f"person{number}"
        return replace(self, name=f"{self.name}-{name}", results=self.results / name, person=number, whole=self.results)

    @property
    def timestamps(self) -> Path:
        """The table of capture times that may lie beside the videos."""
        return self.folder / "timestamps.csv"

    def need_videos(self, least: int, why: str) -> None:
        """Refuse a recording of fewer than `least` videos.

        Raises
        ------
        SessionError
            Naming the folder, what is there and what is needed.
        """
        if len(self.videos) < least:
            have = ", ".join(path.name for path in self.videos.values()) or "no video"
            kinds = " ".join(VIDEO_SUFFIXES)
            raise SessionError(
                f"{self.folder} holds {have}; {why} needs {least} or more, one per camera ({kinds}, or a folder of "
                f"pictures). Put the other cameras' videos there, named as in the calibration, and run again."
            )


@dataclass(frozen=True)
class Session:
    """A session folder that exists."""

    root: Path

    @classmethod
    def open(cls, root: Path) -> Session:
        """Open the session folder at `root`.

        Raises
        ------
        SessionError
            If there is none.
        """
        if not (root / "session.toml").is_file():
            if (root / "manifest.json").is_file():
                raise SessionError(_results_in_words(root))
            what = "has no session.toml" if root.is_dir() else "does not exist"
            raise SessionError(
                f"{root} {what}, so it is no session folder. Make one: "
                f"clapcap new {root} --calibration cam1.mp4 cam2.mp4 --take dance cam1.mp4 cam2.mp4"
            )
        return cls(root)

    @cached_property
    def settings(self) -> Settings:
        """What `session.toml` says."""
        return load_settings(self.settings_file)

    def command(self, take: Recording) -> str:
        """Return what to type, in the folder that holds the session, to get a take's results again."""
        return f"clapcap process {self.root.resolve().name} --take {take.name}"

    @property
    def settings_file(self) -> Path:
        """`session.toml`."""
        return self.root / "session.toml"

    @property
    def cameras_file(self) -> Path:
        """The calibrated cameras."""
        return self.calibration.results / "cameras.toml"

    @property
    def calibration(self) -> Recording:
        """The recording of the board."""
        return self._recording(CALIBRATION, self.root / CALIBRATION)

    @property
    def takes(self) -> list[Recording]:
        """The takes, by name."""
        folder = self.root / "takes"
        found = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        return [self._recording(path.name, path) for path in found if not path.name.startswith(".")]

    def take(self, name: str | None) -> list[Recording]:
        """Return the take called `name`, or all takes for None.

        Raises
        ------
        SessionError
            If there is no such take, or none at all.
        """
        takes = self.takes
        if name is not None:
            takes = [take for take in takes if take.name == name]
        if not takes:
            have = ", ".join(take.name for take in self.takes) or "none"
            wanted = "any take" if name is None else f'a take called "{name}"'
            raise SessionError(
                f"{self.root} does not hold {wanted} (takes there: {have}). "
                f"Add one: clapcap new {self.root} --take {name or 'dance'} cam1.mp4 cam2.mp4"
            )
        return takes

    def recordings(self, name: str | None) -> list[Recording]:
        """Return the recording called `name` ("calibration" or a take), or all that have videos for None."""
        if name == CALIBRATION:
            return [self.calibration]
        if name is not None:
            return self.take(name)
        return [recording for recording in (self.calibration, *self.takes) if recording.videos]

    def _recording(self, name: str, folder: Path) -> Recording:
        return Recording(name, folder, find_videos(folder), self.root / "results" / name)


def _results_in_words(folder: Path) -> str:
    """Say of which session, or of what else, a folder holds the results."""
    session = next((up for up in folder.resolve().parents if (up / "session.toml").is_file()), None)
    if session is not None:
        return f"{folder} holds results of the session {session}, needed the session: give that folder."
    return (
        f"{folder} holds what `clapcap single` made of one video, needed a session folder. Its report.html is there; "
        "to make anything anew, run `clapcap single` again. `clapcap export`, `clapcap retarget` and, of a file in it, "
        "`clapcap convert` and `clapcap clean` take it as it is."
    )


def find_videos(folder: Path) -> dict[str, Path]:
    """Return the videos and picture folders in `folder` by camera name.

    Raises
    ------
    SessionError
        If two of them would be the same camera.
    """
    videos: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name.startswith(".") or not is_video(path):
            continue
        name = path.name if path.is_dir() else path.stem
        if name in videos:
            raise SessionError(
                f'{videos[name]} and {path} are both camera "{name}". Rename or move one of them: a camera is named '
                "by its video's stem."
            )
        videos[name] = path
    return videos


def is_video(path: Path) -> bool:
    """Tell whether `path` looks like a video or a folder of pictures."""
    if path.is_dir():
        return any(picture.suffix.lower() in IMAGE_SUFFIXES for picture in path.iterdir())
    return path.suffix.lower() in VIDEO_SUFFIXES
