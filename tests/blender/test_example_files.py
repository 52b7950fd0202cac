"""The committed example against the truth that comes with it, and against the code that makes it."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import session
from blender import board, clap_sound, example
from blender.shoot import CALIBRATION, CAMERAS, DANCE, RECORDINGS, Recording

EXAMPLE = Path(session.__file__).parent / "example"
DETECTOR_SHIFT_PX = 0.5  # OpenCV's ChArUco detector calls the outer edge of the first pixel 0

every_video = pytest.mark.parametrize(
    ("recording", "name"),
    [(recording, name) for recording in RECORDINGS.values() for name in CAMERAS.names],
    ids=lambda value: value if isinstance(value, str) else value.name,
)


def video(recording: Recording, name: str) -> Path:
    return EXAMPLE / recording.folder / f"{name}.mp4"


@pytest.fixture(scope="module")
def truth():
    with np.load(EXAMPLE / "truth.npz", allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def test_the_example_is_small_enough_to_ship():
    files = [path for path in EXAMPLE.rglob("*") if path.is_file()]
    assert sum(path.suffix == ".mp4" for path in files) == 8
    assert sum(path.stat().st_size for path in files) <= 12e6


def test_the_truth_is_what_the_code_says(truth):
    now = example.truth()
    assert set(now) == set(truth)
    for key, value in now.items():
        if value.dtype.kind == "U":
            assert (value == truth[key]).all()
        else:
            np.testing.assert_allclose(truth[key], value, atol=1e-6, err_msg=key)


def test_the_truth_covers_what_the_cameras_saw(truth):
    for prefix, recording, times in (
        ("take", DANCE, truth["joints_time_s"]),
        ("calibration", CALIBRATION, truth["board_time_s"]),
    ):
        for place, name in enumerate(truth["camera_names"]):
            seen = truth[f"{prefix}_offset_s"][place] + truth[f"{prefix}_rate"][place] * (
                np.arange(recording.clocks[str(name)].frames) / 30
            )
            assert times[0] <= seen[0]
            assert seen[-1] <= times[-1]
        assert np.diff(times).max() <= 1 / 120 + 1e-9


@every_video
def test_frames_carry_the_clocks_time_stamps(recording, name):
    with av.open(str(video(recording, name))) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (640, 360)
        stamps = [float(packet.pts * packet.time_base) for packet in container.demux(stream) if packet.pts is not None]
    np.testing.assert_allclose(np.sort(stamps), recording.clocks[name].camera_times_s, atol=1e-5)


def decoded_sound(path: Path) -> tuple[np.ndarray, np.ndarray, int]:
    """Decode with PyAV alone: time stamps and samples, and the rate."""
    times, samples = [], []
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        for frame in container.decode(stream):
            block = frame.to_ndarray().reshape(-1)
            times.append(frame.time + np.arange(len(block)) / frame.sample_rate)
            samples.append(block)
        return np.concatenate(times), np.concatenate(samples), stream.rate


@every_video
def test_the_clap_is_heard_at_the_true_moment(recording, name, truth):
    times, samples, rate_hz = decoded_sound(video(recording, name))
    assert rate_hz == (44_100 if name == "cam2" else 48_000)
    place = list(truth["camera_names"]).index(name)
    prefix = "calibration" if recording is CALIBRATION else "take"
    heard_s = truth[f"{prefix}_clap_s"] + truth[f"{prefix}_clap_travel_s"][place]
    expected_s = (heard_s - truth[f"{prefix}_offset_s"][place]) / truth[f"{prefix}_rate"][place]
    onset_s = times[np.argmax(np.abs(samples) > 0.2 * np.abs(samples).max())]
    assert abs(onset_s - expected_s) < 0.5e-3
    # The whole waveform, not its edge alone: the encoder moved nothing by as much as a sample.
    wanted = clap_sound.track(recording, name)
    near = np.abs(times - expected_s) < 0.02
    index = np.round((times[near] - clap_sound.SOUND_START_S[name]) * rate_hz).astype(int)
    lags = np.arange(-40, 41)
    match = [float(samples[near] @ wanted[index + lag]) for lag in lags]
    assert abs(lags[int(np.argmax(match))]) <= 1


def frames_at(path: Path, wanted: list[int]) -> dict[int, np.ndarray]:
    found = {}
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index in wanted:
                found[index] = frame.to_ndarray(format="gray")
            if index >= max(wanted):
                break
    return found


@pytest.mark.parametrize("name", CAMERAS.names)
def test_the_boards_corners_are_where_the_truth_projects_them(name, truth):
    place = list(truth["camera_names"]).index(name)
    clock = CALIBRATION.clocks[name]
    detector = cv2.aruco.CharucoDetector(board.charuco_board())
    camera = CAMERAS[name]
    errors = []
    for index, picture in frames_at(video(CALIBRATION, name), list(range(5, clock.frames, 9))).items():
        corners, ids, _, _ = detector.detectBoard(picture)
        if ids is None or len(ids) < 12:
            continue
        time_s = truth["calibration_offset_s"][place] + truth["calibration_rate"][place] * index / 30
        pose = board.T_world_board(time_s)
        in_world = truth["board_corners_m"][ids.ravel()] @ pose[:3, :3].T + pose[:3, 3]
        errors.append(corners[:, 0] - DETECTOR_SHIFT_PX - camera.project(in_world))
    assert len(errors) >= 6
    error = np.concatenate(errors)
    # What the detector itself errs on sharp pictures is 0.1 px; compression adds to it.
    assert np.sqrt((np.median(error, axis=0) ** 2).sum()) < 0.1
    assert np.sqrt(np.median((error**2).sum(axis=1))) < 0.3


def test_the_board_on_the_floor_is_read_by_two_cameras(truth):
    readers = 0
    for place, name in enumerate(truth["camera_names"]):
        clock = CALIBRATION.clocks[str(name)]
        index = int(np.ceil((board.LAID_DOWN_S + 0.3 - truth["calibration_offset_s"][place]) * 30))
        assert index < clock.frames
        picture = frames_at(video(CALIBRATION, str(name)), [index])[index]
        _, ids, _, _ = cv2.aruco.CharucoDetector(board.charuco_board()).detectBoard(picture)
        readers += ids is not None and len(ids) >= 8
    assert readers >= 2
