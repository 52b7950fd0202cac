import numpy as np
import pytest

from calib.cameras import Camera, CameraGroup
from calib.world.known_lengths import KnownLength, check_scale, parse_known_length
from clapcap.errors import CalibrationError


def cameras(*centers):
    group = []
    for place, center in enumerate(centers):
        T = np.eye(4)
        T[:3, 3] = -np.array(center)
        group.append(Camera(f"cam{place + 1}", (640, 480), np.diag([500.0, 500, 1]), np.zeros(5), T))
    return CameraGroup(tuple(group))


TRIANGLE = cameras([0, 0, 1.5], [3, 0, 1.5], [0, 4, 1.5])


def test_a_tape_that_agrees():
    check = check_scale(TRIANGLE, [KnownLength("cam2", "cam3", 5.02)], 54)
    assert check.found_m == (5.0,)
    assert check.verdict == "agrees"
    assert check.words == "Scale: the calibration says 5.000 m between cam2 and cam3, your tape 5.020 m (-0.4 %)."


def test_a_square_that_was_printed_too_small():
    """Squares of 52.7 mm called 54 make everything 2.5 % too large."""
    big = cameras([0, 0, 1.5], [2.41, 0, 1.5])
    check = check_scale(big, [KnownLength("cam1", "cam2", 2.35)], 54)
    assert check.verdict == "off"
    assert "says 2.410 m between cam1 and cam2, your tape 2.350 m (+2.6 %)" in check.words
    assert "probably 52.7 mm instead of 54" in check.words
    assert check.words.endswith("Nothing was rescaled.")


def test_a_scale_far_off_is_refused():
    check = check_scale(TRIANGLE, [KnownLength("cam1", "cam2", 2.8)], 54)
    assert check.verdict == "refused"


def test_centimetres_of_a_short_length_are_the_tape_s():
    near = cameras([0, 0, 1.5], [0.22, 0, 1.5])
    assert check_scale(near, [KnownLength("cam1", "cam2", 0.2)], 54).verdict == "agrees"


def test_heights_above_the_floor():
    check = check_scale(TRIANGLE, [KnownLength("cam1", "floor", 1.4)], None)
    assert check.verdict == "refused"
    assert "1.500 m between cam1 and the floor" in check.words
    assert "one factor of 0.933" in check.words


def test_one_wrong_length_among_three():
    known = [KnownLength("cam1", "cam2", 3.0), KnownLength("cam1", "cam3", 4.6), KnownLength("cam2", "cam3", 5.0)]
    check = check_scale(TRIANGLE, known, 54)
    assert check.verdict == "refused"
    assert "No single scale explains these lengths: that between cam1 and cam3 fits worst" in check.words


def test_reading_names_with_dashes():
    names = ["go-pro", "go", "cam-1"]
    assert parse_known_length("go-pro-cam-1=2.5", names) == KnownLength("go-pro", "cam-1", 2.5)
    assert parse_known_length("floor-go=1.2", names) == KnownLength("go", "floor", 1.2)


@pytest.mark.parametrize("text", ["cam1-cam9=2", "cam1-cam2", "cam1-cam2=-1", "cam1-cam1=2", "cam1-cam2=far", "=2"])
def test_what_cannot_be_read(text):
    with pytest.raises(CalibrationError, match=r'such as "cam1-cam2=2.35" or "cam1-floor=1.42"'):
        parse_known_length(text, ["cam1", "cam2"])
