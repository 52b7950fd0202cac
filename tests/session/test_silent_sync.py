"""Recordings without sound: what the session tries, and what it says when nothing helps."""

import json

import av
import numpy as np
import pytest

from clapcap.errors import SyncError
from session.clocks import refuse_unsynced, sync_recording
from session.folder import Session
from session.new import create_session
from session.settings import BoardSettings
from session.sound_moments import load_moments, save_moments
from session.stages import Stages
from session.take_clocks import clocks_in_words
from session.terminal import Terminal
from skeleton.formats.npz import save_keypoints2d
from skeleton.keypoints import Keypoints2D
from sync.time_map import TimeMap

RATE_HZ = 30


def write_video(path, levels, created="2025-06-01T10:00:00.000000Z"):
    """Write a silent video whose pictures have these brightnesses."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        container.metadata["creation_time"] = created
        stream = container.add_stream("mpeg4", rate=RATE_HZ)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in levels:
            picture = np.full((48, 64, 3), level, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def lamp(start_s, seconds=4.0):
    """Brightness of a camera that starts at `start_s`, of a lamp that is on from 2 s to 3 s."""
    time_s = start_s + np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return np.where((time_s >= 2) & (time_s < 3), 180, 90)


def take_of(tmp_path, levels, created=()):
    """Return a session whose take has these silent videos, and the take."""
    videos = []
    for i, level in enumerate(levels, 1):
        video = tmp_path / "videos" / f"cam{i}.mp4"
        write_video(video, level, *created[i - 1 : i])
        videos.append(video)
    create_session(tmp_path / "session", [], {"dance": videos}, BoardSettings(), Terminal())
    session = Session.open(tmp_path / "session")
    return session, session.take("dance")[0]


def test_a_light_syncs_what_is_silent_and_shows_nobody(tmp_path):
    session, take = take_of(tmp_path, [lamp(0.0), lamp(0.5)])
    time_map = sync_recording(session, take, Stages(session, take, Terminal()))
    assert time_map.cameras["cam2"].method == "flash"
    assert time_map.cameras["cam2"].offset_s == pytest.approx(0.5, abs=0.5 / RATE_HZ)
    report = json.loads((take.results / "manifest.json").read_text())["stages"]["sync"]["report"]
    assert report["cam2"][3] == "flash"


def test_motion_is_asked_before_the_light(tmp_path):
    session, take = take_of(tmp_path, [lamp(0.0), lamp(0.5)])
    rng = np.random.default_rng(3)
    frequency, phase = rng.uniform(0.3, 1.5, (2, 6, 4, 2)), rng.uniform(0, 6, (6, 4, 2))
    names = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")
    files = {}
    for camera, start_s in (("cam1", 0.0), ("cam2", 0.8)):
        time_s = np.arange(300) / RATE_HZ
        angle = 2 * np.pi * frequency[0] * (time_s + start_s)[:, None, None, None] + phase
        xy = np.array([[200, 200], [400, 200], [250, 600], [350, 600]]) + (30 * np.sin(angle)).sum(axis=1)
        files[camera] = tmp_path / f"{camera}.npz"
        keypoints = Keypoints2D(names, xy, np.ones(xy.shape[:2]), time_s, np.array([640, 720]))
        save_keypoints2d(files[camera], keypoints)
    time_map = sync_recording(session, take, Stages(session, take, Terminal()), lambda: files)
    assert time_map.cameras["cam2"].method == "motion"
    assert time_map.cameras["cam2"].offset_s == pytest.approx(0.8, abs=0.01)


def test_when_nothing_helps_every_reason_is_told_and_when_the_files_began(tmp_path):
    dark = np.full(60, 90)
    created = ("2025-06-01T10:00:00.000000Z", "2025-06-01T10:00:07.000000Z")
    session, take = take_of(tmp_path, [dark, dark], created)
    time_map = sync_recording(session, take, Stages(session, take, Terminal()))
    with pytest.raises(SyncError) as caught:
        refuse_unsynced(take, time_map)
    said = str(caught.value)
    assert "by clap: no sound track" in said
    assert "by flash: no flash" in said
    assert "cam2 +7.0 s" in said


def test_nothing_heard_is_kept_as_nothing(tmp_path):
    save_moments(tmp_path / "sounds.npz", None)
    assert load_moments(tmp_path / "sounds.npz", TimeMap({})) is None


def test_a_certain_lag_is_told_with_its_deviation():
    camera = {"motion_s": 0.0081, "motion_std_s": 0.0006, "std_s": 0.0006, "certain": True}
    sure = {"motion_s": -0.0002, "motion_std_s": 0.0006, "std_s": 0.0002, "certain": False}
    report = {"refused": "", "method": "clap", "cameras": {"cam2": sure, "cam3": camera}}
    assert clocks_in_words(report) == "on motion, within 0.6 ms; cam3 8.1 ± 0.6 ms later than its sound says"
    assert clocks_in_words({**report, "refused": "nobody moves"}) == "as synced"
