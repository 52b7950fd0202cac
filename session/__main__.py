"""`python -m session` is `clapcap`."""

from session.main import run

run()
