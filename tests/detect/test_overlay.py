import numpy as np
import pytest

from detect.overlay import OTHERS_COLOUR, REPROJECTED_COLOUR, SIDE_COLOURS, draw_keypoints, write_overlay
from media.frames import read_frames
from media.writer import VideoWriter
from skeleton.joint_sets import load_joint_set
from skeleton.keypoints import Keypoints2D

COCO = load_joint_set("coco17")


def place(**points):
    xy = np.full((17, 2), np.nan)
    confidence = np.zeros(17)
    for name, (x, y) in points.items():
        xy[COCO.index(name)] = x, y
        confidence[COCO.index(name)] = 1.0
    return xy, confidence


def test_edges_and_points_have_the_colour_of_the_side():
    gray = np.full((200, 300, 3), 90, dtype=np.uint8)
    xy, confidence = place(left_elbow=(50, 100), left_wrist=(150, 100), right_knee=(250, 50))
    drawn = draw_keypoints(gray, xy, confidence, COCO)
    assert (gray == 90).all()
    # The middle of the forearm, and the knee; antialiased, so a line one pixel thick lets a tenth shine through.
    np.testing.assert_allclose(drawn[100, 100], SIDE_COLOURS["left"], atol=26)
    np.testing.assert_allclose(drawn[50, 250], SIDE_COLOURS["right"], atol=26)
    assert tuple(drawn[150, 200]) == (90, 90, 90)


def test_what_is_not_confident_is_not_drawn():
    gray = np.full((200, 300, 3), 90, dtype=np.uint8)
    xy, confidence = place(left_elbow=(50, 100), left_wrist=(150, 100))
    assert (draw_keypoints(gray, xy, 0.05 * confidence, COCO) == 90).all()


def test_points_far_outside_do_no_harm():
    gray = np.full((200, 300, 3), 90, dtype=np.uint8)
    xy, confidence = place(left_elbow=(50, 100), left_wrist=(1e9, 100))
    drawn = draw_keypoints(gray, xy, confidence, COCO)
    np.testing.assert_allclose(drawn[100, 200], SIDE_COLOURS["left"], atol=26)


def test_overlay_keeps_times_and_draws_both(tmp_path):
    video, times = tmp_path / "cam1.mp4", np.array([0.0, 0.1, 0.25, 0.3])
    with VideoWriter(video, (160, 120)) as writer:
        for t in times:
            writer.write(np.full((120, 160, 3), 60, dtype=np.uint8), t)
    xy, confidence = place(left_elbow=(30, 60), left_wrist=(130, 60))
    keypoints = Keypoints2D(
        COCO.points, np.repeat(xy[None], 4, 0), np.repeat(confidence[None], 4, 0), times, np.array([160, 120])
    )
    reprojected, _ = place(left_elbow=(30, 20), left_wrist=(130, 20))
    told = []
    write_overlay(
        video,
        keypoints,
        tmp_path / "overlay.mp4",
        reprojected_px=np.repeat(reprojected[None], 4, 0),
        joint_set="coco17",
        progress=lambda done, total: told.append((done, total)),
    )
    frames = list(read_frames(tmp_path / "overlay.mp4"))
    np.testing.assert_allclose([f.time_s for f in frames], times, atol=1e-4)
    assert told[-1] == (4, 4)
    for frame in frames:
        # Lossy: the colours of thin lines come back blurred, but each nearer to its own than to the other.
        for y, own, other in (
            (60, SIDE_COLOURS["left"], REPROJECTED_COLOUR),
            (20, REPROJECTED_COLOUR, SIDE_COLOURS["left"]),
        ):
            seen = frame.image[y, 80].astype(float)
            assert np.linalg.norm(seen - own) < np.linalg.norm(seen - other)
            assert np.linalg.norm(seen - 60) > 60


def test_keypoints_of_another_video_or_set_are_refused(tmp_path):
    video = tmp_path / "cam1.mp4"
    with VideoWriter(video, (64, 64), rate_hz=10) as writer:
        for _ in range(3):
            writer.write(np.zeros((64, 64, 3), dtype=np.uint8))
    short = Keypoints2D(COCO.points, np.zeros((2, 17, 2)), np.ones((2, 17)), np.arange(2) / 10, np.array([64, 64]))
    with pytest.raises(ValueError, match="more frames than its keypoints"):
        write_overlay(video, short, tmp_path / "out.mp4", joint_set="coco17")
    with pytest.raises(ValueError, match="not those of blazepose33"):
        write_overlay(video, short, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_whom_else_the_video_shows_is_drawn_in_grey(tmp_path):
    video, times = tmp_path / "cam1.mp4", np.array([0.0, 0.1])
    with VideoWriter(video, (160, 120)) as writer:
        for t in times:
            writer.write(np.full((120, 160, 3), 20, dtype=np.uint8), t)
    xy, confidence = place(left_elbow=(30, 60), left_wrist=(130, 60))
    other, _ = place(left_elbow=(30, 20), left_wrist=(130, 20))
    keypoints = Keypoints2D(
        COCO.points,
        np.repeat(xy[None], 2, 0),
        np.repeat(confidence[None], 2, 0),
        times,
        np.array([160, 120]),
        others_xy_px=np.stack([other, np.full_like(other, np.nan)])[:, None],
        others_confidence=np.stack([confidence, np.zeros(17)])[:, None],
    )
    write_overlay(video, keypoints, tmp_path / "overlay.mp4", joint_set="coco17")
    first, second = (frame.image for frame in read_frames(tmp_path / "overlay.mp4"))
    # Encoded with half the resolution of colour.
    np.testing.assert_allclose(first[20, 80], OTHERS_COLOUR, atol=40)
    np.testing.assert_allclose(second[20, 80], 20, atol=15)
    for image in (first, second):
        assert image[60, 80, 2] > 150 > 90 > image[60, 80, 0]
