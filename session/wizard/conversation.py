"""What the wizard says and asks, in order."""

from __future__ import annotations

from session.folder import Session
from session.wizard.answers import Talk
from session.wizard.board_step import apply_board_flags, board_step
from session.wizard.session_step import say_where_it_stands
from session.wizard.videos_step import videos_step


def prepare(session: Session, talk: Talk) -> Session | None:
    """Lead to a session that can be calibrated; None: somebody has to film first, and was told how.

    Asks only what neither the session nor a flag tells.

    Raises
    ------
    ClapcapError
        If a flag's answer is impossible.
    """
    session = apply_board_flags(session, talk)
    if session.settings.calibration.import_:
        return session
    if talk.asks:
        say_where_it_stands(session, talk.terminal)
    session = board_step(session, talk)
    if talk.answers.live:
        if not _film(session, talk):
            return None
        return Session.open(session.root)
    if not videos_step(session, talk):
        return None
    return Session.open(session.root)


def _film(session: Session, talk: Talk) -> bool:
    """Film with live cameras; return whether there is something to calibrate from."""
    from session.live.cameras import open_cameras
    from session.live.film import film_live

    cameras = open_cameras(talk.answers.live, talk.answers.names)
    terminal, record = talk.terminal, talk.answers.record
    if talk.asks:
        terminal.heading("Filming")
        terminal.say(
            "Fix the cameras, then carry the board through the space. What to do next stands below the pictures: "
            "they show where each camera has seen the board. It stops by itself when that is enough."
        )
    try:
        enough = film_live(session, cameras, terminal, record)
    except KeyboardInterrupt:
        if not (record and session.calibration.timestamps.exists()):
            raise
        terminal.say("Stopped. What was filmed is kept; to calibrate from it:")
        terminal.command(f"clapcap calibrate {session.root}")
        return False
    terminal.say("Every camera has seen enough." if enough else "Some of it was not seen; the verdict will tell.")
    if not record:
        terminal.say("Nothing was recorded. To film and calibrate:")
        terminal.command(f"clapcap calibrate {session.root} --live {' '.join(talk.answers.live)}")
    return record
