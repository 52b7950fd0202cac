import numpy as np
import pytest

from clapcap.errors import DetectionError
from detect.detector import open_detector
from detect.mediapipe_pose import MediaPipePose, bundled_model
from media.frames import read_frames
from skeleton.joint_sets import load_joint_set


def test_the_bundle_is_made_from_the_wheel_the_same_every_time():
    first = bundled_model()
    bundled_model.cache_clear()
    assert bundled_model() == first
    assert first[:2] == b"PK"


def test_unknown_detectors_and_bad_models_are_named(tmp_path):
    with pytest.raises(DetectionError, match="no detector called 'openpose': choose one of mediapipe"):
        open_detector("openpose")
    with pytest.raises(DetectionError, match=r"does not start with .*missing\.task"):
        open_detector("mediapipe", tmp_path / "missing.task")
    with pytest.raises(DetectionError, match="9 people cannot be looked for: needed 1 to 8"):
        open_detector("mediapipe", people=9)
    broken = tmp_path / "broken.task"
    broken.write_bytes(b"no model")
    with pytest.raises(DetectionError, match=r"does not start with .*broken\.task"):
        open_detector("mediapipe", broken)


def test_a_model_of_ones_own_does_as_the_bundled_one(tmp_path):
    own = tmp_path / "own.task"
    own.write_bytes(bundled_model())
    detector = open_detector("mediapipe", own)
    assert detector.names == load_joint_set("blazepose33").points
    detector.close()


def test_nobody_in_an_empty_picture():
    detector = MediaPipePose()
    gray = np.full((240, 320, 3), 128, dtype=np.uint8)
    assert [detector.detect(gray, t) for t in (0.0, 0.1)] == [(), ()]
    detector.close()


@pytest.mark.data
def test_a_man_is_seen_where_he_is(data):
    detector = MediaPipePose()
    names = detector.names
    frame = next(read_frames(data / "walk4" / "cam01.mp4"))
    (person,) = detector.detect(frame.image, frame.time_s)
    at = dict(zip(names, person.xy_px, strict=True))
    assert at["nose"][1] < at["left_shoulder"][1] < at["left_hip"][1] < at["left_knee"][1] < at["left_ankle"][1]
    world = dict(zip(names, person.world_m, strict=True))
    # Camera axes: y points down, the origin lies between the hips.
    assert world["left_ankle"][1] > 0.5 > -0.3 > world["nose"][1]
    np.testing.assert_allclose((world["left_hip"] + world["right_hip"]) / 2, 0, atol=0.01)
    detector.close()


@pytest.mark.data
def test_pixels_are_those_of_the_displayed_picture(data):
    """Cutting 100 columns off the left moves the points by 100 px, which a wrong scale or centre would not give."""
    frame = next(read_frames(data / "walk4" / "cam04.mp4"))
    found = []
    for image in (frame.image, frame.image[:, 100:]):
        detector = MediaPipePose()
        (person,) = detector.detect(np.ascontiguousarray(image), 0.0)
        found.append(person.xy_px)
        detector.close()
    shift = found[0] - found[1]
    # The detector sees the person in another crop: its error is about 14 px a point, 33 points share some of it.
    assert np.median(shift[:, 0]) == pytest.approx(100, abs=5)
    assert np.median(shift[:, 1]) == pytest.approx(0, abs=5)


@pytest.mark.data
def test_what_lies_outside_the_picture_is_not_observed(data):
    frame = next(read_frames(data / "walk4" / "cam04.mp4"))
    detector = MediaPipePose()
    (whole,) = detector.detect(frame.image, 0.0)
    detector.close()
    cut = int(np.nanmedian(whole.xy_px[25:27, 1])) - 20  # above the knees
    detector = MediaPipePose()
    (person,) = detector.detect(np.ascontiguousarray(frame.image[:cut]), 0.0)
    detector.close()
    feet = [i for i, name in enumerate(detector.names) if "ankle" in name or "heel" in name or "foot" in name]
    assert np.isnan(person.xy_px[feet]).all()
    assert (person.confidence[feet] == 0).all()
    assert np.isfinite(person.world_m).all()
    assert np.isfinite(person.xy_px[11:13]).all()


@pytest.mark.data
def test_of_two_people_the_larger_comes_first(data):
    frame = next(read_frames(data / "walk4" / "cam04.mp4"))
    detector = MediaPipePose()
    (alone,) = detector.detect(frame.image, 0.0)
    (left, top), (right, bottom) = np.nanmin(alone.xy_px, axis=0), np.nanmax(alone.xy_px, axis=0)
    margin = 150
    man = frame.image[int(top) - margin : int(bottom) + margin, int(left) - margin : int(right) + margin]
    rows = np.arange(0, len(man), 4 / 3).astype(int)
    small = man[rows][:, np.arange(0, man.shape[1], 4 / 3).astype(int)]
    padded = np.pad(small, ((0, len(man) - len(small)), (0, 0), (0, 0)), mode="edge")
    pair = np.concatenate([padded, man], axis=1)
    people = detector.detect(pair, 0.1)
    assert len(people) == 2
    assert np.nanmedian(people[0].xy_px[:, 0]) > small.shape[1] > np.nanmedian(people[1].xy_px[:, 0])
    # Every frame for itself: the same picture again gives the same people.
    np.testing.assert_array_equal(detector.detect(pair, 0.2)[0].xy_px, people[0].xy_px)
    detector.close()
