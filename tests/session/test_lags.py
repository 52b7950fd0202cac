"""Cameras whose pictures are later than their sound."""

from pathlib import Path

import pytest

from clapcap.errors import SessionError
from session.clocks import with_lags
from session.folder import Session
from session.settings import BoardSettings, new_settings_text, update_settings
from sync.time_map import CameraClock, TimeMap


def session_with(tmp_path: Path, lag_s: dict[str, float]) -> Session:
    file = tmp_path / "session.toml"
    file.write_text(new_settings_text(BoardSettings()), encoding="utf-8")
    update_settings(file, {("process", "lag_s"): lag_s})
    return Session.open(tmp_path)


def heard(method: str = "clap") -> TimeMap:
    return TimeMap(
        {
            "cam1": CameraClock(0.0, 1.0, 0.0, 0.0, "reference", 1.0),
            "cam2": CameraClock(0.5, 1.0, 0.003, 0.0, method, 1.0),
        }
    )


def test_a_lag_that_was_kept_is_added_and_makes_the_clock_less_sure(tmp_path: Path) -> None:
    clocks = with_lags(session_with(tmp_path, {"cam2": 0.0081, "cam9": 1.0}), heard()).cameras
    assert clocks["cam1"] == heard().cameras["cam1"]
    assert clocks["cam2"].offset_s == pytest.approx(0.5081)
    # 3 ms of the sound and 1 ms of the lag.
    assert clocks["cam2"].offset_std_s == pytest.approx(0.0031623, abs=1e-6)


@pytest.mark.parametrize("method", ["motion", "flash", "manual", "timestamps"])
def test_clocks_that_are_not_by_sound_have_no_lag_of_the_sound(tmp_path: Path, method: str) -> None:
    assert with_lags(session_with(tmp_path, {"cam2": 0.0081}), heard(method)) == heard(method)


def test_a_lag_that_is_no_number_is_refused(tmp_path: Path) -> None:
    session = session_with(tmp_path, {})
    text = session.settings_file.read_text().replace("lag_s = {}", 'lag_s = { cam2 = "late" }')
    session.settings_file.write_text(text)
    with pytest.raises(SessionError, match="lag_s"):
        _ = Session.open(tmp_path).settings
