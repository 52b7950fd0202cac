"""The wizard on the session: which one, made if there is none, and where it stands."""

from __future__ import annotations

from pathlib import Path

from clapcap.errors import SessionError
from session.folder import CALIBRATION, Session
from session.manifest import Manifest
from session.new import create_session
from session.settings import BoardSettings
from session.terminal import Terminal
from session.wizard.answers import Talk
from session.wizard.board_step import board_from_flags, in_words

USUAL_NAME = "my-session"


def session_step(root: Path | None, talk: Talk) -> Session:
    """Return the session, made if it is not there.

    Raises
    ------
    SessionError
        If none was named and nobody can be asked, or none is to be made.
    """
    root = root or _which(talk)
    if not (root / "session.toml").is_file():
        _make(root, talk)
    return Session.open(root)


def say_where_it_stands(session: Session, terminal: Terminal) -> None:
    """Say what is there of a calibration and what is not."""
    settings = session.settings
    cameras = list(session.calibration.videos)
    measured = "measured" if settings.calibration.board_measured else "not measured yet"
    board = f"{in_words(settings.board)}; {measured}"
    if not (settings.calibration.board_measured or cameras) and settings.board == BoardSettings():
        board = "not chosen yet"
    if session.calibration.timestamps.exists():
        clocks = "by timestamps.csv"
    elif settings.recording(CALIBRATION).sync == "frames":
        clocks = "shutters synced by cable"
    else:
        clocks = "by the clap that all cameras hear"
    done = "yes" if session.cameras_file.exists() else "not yet"
    verdict = Manifest(session.calibration.results, session.root).report("solve").get("verdict")
    if verdict and session.cameras_file.exists():
        done = f"yes. {verdict['headline']}"
    terminal.heading(f"{session.root}: where it stands")
    terminal.facts(
        [
            ("board", board),
            ("videos", f"{len(cameras)} cameras: {', '.join(cameras)}" if cameras else "none yet"),
            ("timing", clocks),
            ("calibrated", done),
        ]
    )


def _which(talk: Talk) -> Path:
    here = Path()
    if (here / "session.toml").is_file():
        return here
    if not talk.asks:
        raise SessionError(f"No session was named. Name its folder: clapcap calibrate {USUAL_NAME}")
    found = sorted(path.parent for path in here.glob("*/session.toml"))
    terminal = talk.terminal
    if found:
        terminal.say("A session is a folder with all that belongs to one recording day.")
        place = terminal.choose("Which session?", [*(str(path) for path in found), "A new one"])
        if place < len(found):
            return found[place]
    return terminal.ask("Name of the new session's folder?", _read_folder, shown=USUAL_NAME, default=Path(USUAL_NAME))


def _read_folder(answer: str) -> Path:
    path = Path(answer).expanduser()
    if path.is_file():
        raise SessionError(f"{path} is a file. Type the name of a folder, such as {USUAL_NAME}.")
    return path


def _make(root: Path, talk: Talk) -> None:
    """Make the session at `root`, if that is wanted."""
    if talk.asks:
        what = "is no session yet" if root.is_dir() else "does not exist yet"
        inside = " What is in it stays as it is." if root.is_dir() and any(root.iterdir()) else ""
        if not talk.terminal.confirm(f"The session {root} {what}. Make it?{inside}"):
            raise SessionError("Nothing was made. Name the session's folder: clapcap calibrate FOLDER")
    elif not talk.answers.describe_a_session:
        Session.open(root)  # says what is wrong and how to make one
    create_session(root, (), {}, board_from_flags(BoardSettings(), talk.answers), talk.terminal)
