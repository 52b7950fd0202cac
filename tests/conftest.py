"""Fixtures that several packages' tests share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def data_folder() -> Path | None:
    """Return the folder of recordings (CLAPCAP_DATA or ../shared/data), or None where there is none."""
    named = os.environ.get("CLAPCAP_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def data() -> Path:
    folder = data_folder()
    if folder is None:
        pytest.skip("no recordings: set CLAPCAP_DATA to the folder that holds charuco4, walk4 and mocap")
    return folder
