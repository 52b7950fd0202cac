"""What is said of one camera's wrong stretches, from residuals in shares of the person's size."""

import numpy as np
import pytest

from triangulate.findings import find_troubles
from triangulate.pose_offsets import PoseOffsets
from triangulate.views import Views

FRAMES, SIZE_PX = 90, 500.0
WRONG = slice(30, 75)


@pytest.fixture
def told(ring, walk, rng):
    """Return a function from the first camera's residuals (frames, points, 2) to (kind, text) of what is said."""
    cameras = ring(3)
    xyz, time_s = walk(FRAMES)
    xy = cameras.project(xyz)
    # Everybody is 500 px high and broad, so that shares are known.
    xy = SIZE_PX / np.sqrt(2) * (xy - xy.min(axis=2, keepdims=True)) / np.ptp(xy, axis=2, keepdims=True)
    views = Views(cameras, tuple(f"p{i}" for i in range(33)), xy, np.ones(xy.shape[:3]), time_s)

    def tell(residual_px, stretch=WRONG, noise_px=(5.0, 5.0, 5.0), offsets=None):
        residual = np.zeros(xy.shape)
        residual[0] = residual_px
        wrong = np.zeros(xy.shape[:2], dtype=bool)
        wrong[0, stretch] = True
        none = PoseOffsets(np.zeros(3), np.zeros(3))
        found = find_troubles(views, residual, np.array(noise_px), wrong, offsets or none)
        return [(finding.kind, finding.text) for finding in found]

    return tell


def test_the_same_pose_elsewhere(told, rng):
    residual = np.array([90.0, -120.0]) + 10 * rng.normal(size=(FRAMES, 33, 2))
    ((kind, text),) = told(residual)
    assert kind == "displaced"
    # A triangle of 3, 4 and 5: 150 px of 500 px.
    assert text.startswith(
        "cam1 sees the person 30 % of the person's size away from where the others do from 1.0 to 2.5"
    )
    ((kind, text),) = told(residual, slice(None))
    assert kind == "pose off"
    assert "throughout it sees the person 30 %" in text


def test_somebody_else_beside_and_in_front(told, rng):
    pose = 60 * rng.normal(size=(1, 33, 2))
    along = 2 * np.cumsum(rng.normal(size=(FRAMES, 1, 2)), axis=0)
    expected = [("somebody else", "cam1 follows somebody else from 1.0 to 2.5 s; not used there")]
    assert told(np.array([200.0, 0.0]) + pose + along) == expected
    assert told(pose + along) == expected
    # For less than a second that may as well be a detector that errs.
    ((kind, _),) = told(pose + along, slice(30, 42))
    assert kind == "nonsense"


def test_nonsense_now_and_then_and_throughout(told, rng):
    nonsense = 60 * rng.normal(size=(FRAMES, 33, 2))
    ((kind, text),) = told(nonsense, slice(30, 40))
    assert kind == "nonsense"
    assert text == "cam1 shows another pose than the other cameras from 1.0 to 1.3 s; not used there"
    ((kind, text),) = told(nonsense)
    assert kind == "detects badly"
    assert text.startswith("cam1 detects badly: 50 % of its frames show another pose than the other cameras")
    # A frame or two are not worth a sentence.
    assert told(nonsense, slice(30, 33)) == []


def test_noise_is_told_unless_a_pose_explains_it(told):
    quiet = np.zeros((FRAMES, 33, 2))
    nobody = slice(0, 0)
    ((kind, text),) = told(quiet, nobody, (20.0, 5.0, 5.0))
    assert kind == "noisy"
    assert text == "cam1 is 4.0 times as far off as the other cameras and counts less by as much"
    offsets = PoseOffsets(np.array([20.0, 0.0, 0.0]), np.array([0.09, 0.0, 0.0]))
    ((kind, text),) = told(quiet, nobody, (20.0, 5.0, 5.0), offsets)
    assert kind == "pose off"
    # 20 px at a focal length of 900 px are 1.3 degrees.
    assert text == (
        "cam1's pose is off: it sees the person 20 px beside where the others do, as if it was moved by about 9 cm or "
        "turned by 1.3 degrees. Calibrate again"
    )
    assert told(quiet, nobody) == []
