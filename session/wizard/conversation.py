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
    if not videos_step(session, talk):
        return None
    return Session.open(session.root)
