"""A second look at parts of the picture, with a detector that finds the largest bright block in what it is shown."""

import numpy as np
import pytest

from detect.detector import DetectedPerson, coincide
from detect.run import detect_video, without_doubles
from detect.second_look import LEAST_PX, SQUARES_EVERY_S, SecondLook, squares
from media.writer import VideoWriter

WIDTH, HEIGHT = 320, 160


def block(image, x, y, size):
    image[y : y + size, x : x + size] = 255


def picture(*blocks):
    image = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    for x, y, size in blocks:
        block(image, x, y, size)
    return image


class OnlyTheLargest:
    """Sees the largest whole block in a picture as its four corners; counts the pictures that it is shown."""

    names = ("a", "b", "c", "d")

    def __init__(self):
        self.shown = []

    def detect(self, image, time_s):
        from scipy.ndimage import find_objects, label

        self.shown.append(image.shape[:2])
        height, width = image.shape[:2]
        parts = find_objects(label(image[..., 0] > 128)[0])
        found = [(y, x) for y, x in parts if y.start and x.start and y.stop < height and x.stop < width]
        if not found:
            return ()
        y, x = max(found, key=lambda part: (part[0].stop - part[0].start) * (part[1].stop - part[1].start))
        corners = [[x.start, y.start], [x.stop, y.start], [x.start, y.stop], [x.stop, y.stop]]
        return (DetectedPerson(np.array(corners, dtype=float), np.full(4, 0.9), None),)

    def close(self):
        self.shown = None


def at(person):
    return person.xy_px[0].tolist()


def test_the_smaller_one_is_found_in_squares_and_then_where_it_was():
    inner = OnlyTheLargest()
    detector = SecondLook(inner, people=2)
    first, second = detector.detect(picture((30, 40, 60), (250, 50, 40)), 0.0)
    assert (at(first), at(second)) == ([30, 40], [250, 50])
    inner.shown.clear()
    # It moved by less than it is large; the second look is at one square around where it was, not at all.
    first, second = detector.detect(picture((30, 40, 60), (256, 54, 40)), 1 / 30)
    assert (at(first), at(second)) == ([30, 40], [256, 54])
    assert len(inner.shown) == 2
    assert max(inner.shown[1]) < HEIGHT


def test_one_person_is_looked_at_once_a_picture_but_for_squares_now_and_then():
    inner = OnlyTheLargest()
    detector = SecondLook(inner, people=2)
    alone = picture((30, 40, 60))
    for frame in range(61):
        (person,) = detector.detect(alone, frame / 30)
        assert at(person) == [30, 40]
    looks = len(squares(WIDTH, HEIGHT))
    assert len(inner.shown) == 61 + looks * (1 + int(2.0 / SQUARES_EVERY_S))


def test_who_is_lost_for_a_moment_is_not_looked_for_while_there_is_one_person():
    inner = OnlyTheLargest()
    detector = SecondLook(inner, people=2)
    detector.detect(picture((30, 40, 60)), 0.0)
    inner.shown.clear()
    assert detector.detect(picture(), 1 / 30) == ()
    assert len(inner.shown) == 1


def test_no_more_people_than_asked_for():
    detector = SecondLook(OnlyTheLargest(), people=2)
    three = picture((5, 40, 60), (150, 50, 40), (260, 50, 40))
    for frame in range(5):
        assert len(detector.detect(three, frame / 30)) == 2


def test_three_people_with_room_for_three():
    detector = SecondLook(OnlyTheLargest(), people=3)
    found = detector.detect(picture((5, 40, 60), (150, 50, 40), (270, 50, 40)), 0.0)
    assert sorted(at(person)[0] for person in found) == [5, 150, 270]
    assert at(found[0]) == [5, 40]


@pytest.mark.parametrize(("width", "height", "count"), [(640, 360, 3), (1080, 1920, 3), (640, 480, 2), (500, 500, 0)])
def test_squares_cover_the_picture_and_overlap(width, height, count):
    parts = squares(width, height)
    assert len(parts) == count
    if parts:
        low = np.array([middle - side / 2 for middle, side in parts])
        high = np.array([middle + side / 2 for middle, side in parts])
        np.testing.assert_allclose(low.min(axis=0), 0)
        np.testing.assert_allclose(high.max(axis=0), [width, height])
        long = int(height > width)
        assert (low[1:, long] < high[:-1, long] - 0.2 * min(width, height)).all()


def test_parts_too_small_to_show_anybody_are_not_looked_at():
    inner = OnlyTheLargest()
    detector = SecondLook(inner, people=2)
    detector.detect(picture((30, 40, 60), (250, 50, 10)), 0.0)
    inner.shown.clear()
    detector.detect(picture((30, 40, 60)), 1 / 30)
    assert all(min(shape) >= LEAST_PX for shape in inner.shown)


def person(xy_px):
    return DetectedPerson(np.asarray(xy_px, dtype=float), np.ones(len(xy_px)), None)


def test_the_same_person_twice_is_one_and_a_neighbour_is_another():
    rng = np.random.default_rng(1)
    body = rng.uniform(0, 100, (33, 2))
    again, beside = person(body + rng.normal(0, 1.5, body.shape)), person(body + np.array([30, 0]))
    assert coincide(person(body), again)
    assert not coincide(person(body), beside)
    kept = without_doubles((person(body), again, beside))
    assert [one.xy_px[0, 0] for one in kept] == [body[0, 0], body[0, 0] + 30]


def test_people_without_a_point_in_common_are_not_the_same():
    upper, lower = np.full((2, 4, 2), np.nan)
    upper[:2], lower[2:] = 5.0, 5.0
    assert not coincide(person(upper), person(lower))


def test_everybody_is_kept_in_the_keypoints(tmp_path):
    with VideoWriter(tmp_path / "cam1.mp4", (WIDTH, HEIGHT), rate_hz=10) as writer:
        for frame in range(6):
            writer.write(picture((30, 40, 60), *([(250, 50, 40)] if frame < 4 else [])))
    keypoints = detect_video(tmp_path / "cam1.mp4", SecondLook(OnlyTheLargest(), people=2))
    assert keypoints.others_xy_px.shape == (6, 1, 4, 2)
    np.testing.assert_allclose(keypoints.xy_px[:, 0], [[30, 40]] * 6, atol=3)
    np.testing.assert_allclose(keypoints.others_xy_px[:4, 0, 0], [[250, 50]] * 4, atol=3)
    assert np.isnan(keypoints.others_xy_px[4:]).all()
    assert (keypoints.others_confidence[:4] > 0).all()
    assert (keypoints.others_confidence[4:] == 0).all()
