"""A walk with true stands, and rigs to bring it onto."""

from collections.abc import Callable

import pytest

from benchmarks import made_rigs
from skeleton.motion import Motion


@pytest.fixture(scope="session")
def make_rig() -> Callable[..., Motion]:
    return made_rigs.build_rig


@pytest.fixture(scope="session")
def walk():
    return made_rigs.walk()
