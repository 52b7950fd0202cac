import multiprocessing
import os
import signal

import numpy as np
import pytest

from clapcap.errors import DetectionError, MediaError
from detect.detector import DetectedPerson
from detect.run import detect_video, detect_videos
from media.writer import VideoWriter


class Puppet:
    """A detector that sees one point, where the picture is bright, and nobody in a dark picture."""

    names = ("light",)

    def detect(self, image, time_s):
        if image.max() < 128:
            return ()
        y, x = np.unravel_index(image[..., 0].argmax(), image.shape[:2])
        return (
            DetectedPerson(np.array([[x, y]], dtype=float), np.array([0.9]), None),
            DetectedPerson(np.zeros((1, 2)), np.array([0.5]), None),
        )

    def close(self):
        pass


def write_video(path, frames=12, size=(160, 120), times=None):
    rng = np.random.default_rng(5)
    with VideoWriter(path, size, rate_hz=10) as writer:
        for i in range(frames):
            image = rng.integers(0, 60, (size[1], size[0], 3), dtype=np.uint8)
            if i % 3:
                image[40:60, 10 * i : 10 * i + 20] = 255
            writer.write(image, None if times is None else times[i])
    return path


def test_every_frame_has_a_row_at_its_own_time(tmp_path):
    times = [0.0, 0.1, 0.25, 0.3, 0.55, 0.6]
    told = []
    keypoints = detect_video(
        write_video(tmp_path / "cam1.mp4", 6, times=times), Puppet(), lambda done, total: told.append((done, total))
    )
    np.testing.assert_allclose(keypoints.time_s, times, atol=1e-4)
    assert keypoints.image_size_px.tolist() == [160, 120]
    assert told == [(i, 6) for i in range(1, 7)]
    nobody = np.arange(6) % 3 == 0
    assert np.isnan(keypoints.xy_px[nobody]).all()
    assert (keypoints.confidence[nobody] == 0).all()
    # The first person is the main one, the other is kept beside.
    assert (keypoints.confidence[~nobody] == 0.9).all()
    assert keypoints.others_confidence[:, 0, 0].tolist() == [0.0, 0.5, 0.5] * 2
    assert (np.abs(keypoints.xy_px[1, 0] - [20, 50]) <= 11).all()
    assert keypoints.world_m is None


def test_cameras_in_parallel_give_what_one_process_gives(tmp_path):
    videos = {f"cam{i}": write_video(tmp_path / f"cam{i}.mp4", 8 + i) for i in range(3)}
    done, told = [], []
    results = detect_videos(
        videos,
        workers=2,
        progress=lambda n, total: told.append((n, total)),
        on_done=lambda camera, keypoints: done.append((camera, len(keypoints.time_s))),
    )
    assert list(results) == ["cam0", "cam1", "cam2"]
    assert sorted(done) == [("cam0", 8), ("cam1", 9), ("cam2", 10)]
    assert told[-1] == (27, 27)
    assert all(np.diff([n for n, _ in told]) >= 0)
    for keypoints in results.values():
        # Nobody in any frame is a result, for the session to judge.
        assert np.isnan(keypoints.xy_px).all()
        assert (keypoints.confidence == 0).all()
        assert keypoints.xy_px.shape[1] == 33
        assert not keypoints.xy_px.flags.writeable


def test_bad_videos_are_found_before_work_begins(tmp_path):
    videos = {"cam1": write_video(tmp_path / "cam1.mp4"), "cam2": tmp_path / "none.mp4"}
    done = []
    with pytest.raises(MediaError, match=r"camera cam2: .*none\.mp4"):
        detect_videos(videos, on_done=lambda camera, keypoints: done.append(camera))
    assert done == []


def test_a_failure_in_a_worker_names_the_camera_and_keeps_its_kind(tmp_path):
    videos = {"cam1": write_video(tmp_path / "cam1.mp4")}
    with pytest.raises(DetectionError, match=r"camera cam1: .*missing\.task"):
        detect_videos(videos, model_path=tmp_path / "missing.task")
    with pytest.raises(DetectionError, match="no detector called 'openpose'"):
        detect_videos(videos, detector="openpose")
    assert not multiprocessing.active_children()


def test_a_video_cut_in_the_middle_is_refused_by_name(tmp_path):
    path = write_video(tmp_path / "cam1.mkv", 40, size=(320, 240))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MediaError, match=r"camera cam1: .*cam1\.mkv"):
        detect_videos({"cam1": path})


def test_a_killed_worker_is_told_with_its_camera(tmp_path):
    videos = {"cam1": write_video(tmp_path / "cam1.mp4", 150)}

    def kill(done, total):
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGKILL)

    with pytest.raises(
        DetectionError, match=r"camera cam1: its process was killed \(signal 9\), usually because memory"
    ):
        detect_videos(videos, progress=kill)
    assert not multiprocessing.active_children()


def test_a_failure_of_the_caller_ends_the_workers(tmp_path):
    videos = {f"cam{i}": write_video(tmp_path / f"cam{i}.mp4", 8 + 60 * i) for i in range(2)}

    def disk_full(camera, keypoints):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        detect_videos(videos, workers=2, on_done=disk_full)
    assert not multiprocessing.active_children()


@pytest.mark.data
def test_the_same_video_gives_the_same_keypoints(data, capfd):
    video = data / "walk4" / "cam01.mp4"
    results = detect_videos({"first": video, "second": video}, workers=2)
    first, second = results["first"], results["second"]
    np.testing.assert_array_equal(first.xy_px, second.xy_px)
    np.testing.assert_array_equal(first.confidence, second.confidence)
    np.testing.assert_array_equal(first.world_m, second.world_m)
    np.testing.assert_allclose(first.time_s, np.arange(100) / 60, atol=1e-3)
    assert np.isfinite(first.xy_px).mean() > 0.99
    # What TensorFlow Lite and MediaPipe write to stderr stays away from the terminal.
    assert capfd.readouterr().err == ""
