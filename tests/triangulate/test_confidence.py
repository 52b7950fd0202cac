import numpy as np
import pytest

from skeleton.joint_sets import load_joint_set
from triangulate.confidence import MIN_CONFIDENCE, measured_curves, relative_deviation

BLAZEPOSE = load_joint_set("blazepose33").points


def test_unknown_points_follow_the_rule_that_the_confidence_is_the_weight():
    confidence = np.array([1.0, 0.25, MIN_CONFIDENCE / 2, 0.0])
    np.testing.assert_allclose(relative_deviation(confidence), [1, 2, np.inf, np.inf])
    names = ("left_hip", "right_hip", "head", "tail")
    np.testing.assert_allclose(relative_deviation(confidence, names), [1, 2, np.inf, np.inf])


def test_curves_are_those_of_the_file_and_fall_with_the_score():
    curves = measured_curves(BLAZEPOSE)
    assert curves is not None
    assert (np.diff(curves.percent, axis=1) <= 0).all()
    # Both sides are one curve; an elbow is harder to see than a shoulder.
    left, right = (curves.percent[BLAZEPOSE.index(f"{side}_elbow")] for side in ("left", "right"))
    np.testing.assert_array_equal(left, right)
    assert left[-1] > curves.percent[BLAZEPOSE.index("left_shoulder")][-1]


def test_measured_deviations_are_relative_to_the_typical_point():
    sure = relative_deviation(np.ones((1, 1, 33)), BLAZEPOSE)[0, 0]
    assert np.median(sure) == 1
    doubtful = relative_deviation(np.full((1, 1, 33), 0.2), BLAZEPOSE)[0, 0]
    # Measured: three to five times as far off, where the rule for unknown points says 2.2 times.
    assert (doubtful / sure > 3).all()
    assert doubtful / sure == pytest.approx(4, rel=0.4)
    assert np.isinf(relative_deviation(np.full((1, 1, 33), 0.05), BLAZEPOSE)).all()


def test_between_scores_deviations_are_interpolated():
    curves = measured_curves(BLAZEPOSE)
    place = BLAZEPOSE.index("left_knee")
    confidence = np.full((1, 1, 33), 0.3)
    unit = np.median(curves.percent[:, -1])
    middle = (curves.percent[place, 0] + curves.percent[place, 1]) / 2  # 0.3 lies between 0.2 and 0.4
    assert relative_deviation(confidence, BLAZEPOSE)[0, 0, place] == pytest.approx(middle / unit)
