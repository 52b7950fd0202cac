"""The banded equations against dense ones, and the parts of the solver by themselves."""

import numpy as np
import pytest

from skeleton.joint_sets import load_joint_set
from triangulate.whole_take.banded import BandedGroup, NotPositiveError, groups_of
from triangulate.whole_take.bones import bones_of
from triangulate.whole_take.covariance import _blocks_of_inverse, _factorised
from triangulate.whole_take.lasting import ErrorMemory, measure_memory
from triangulate.whole_take.terms import UPPER, Smoothness
from triangulate.whole_take.windows import sample, windows


def test_groups_are_what_bones_connect():
    groups = groups_of(np.arange(6), np.array([[0, 3], [3, 5], [1, 2]]))
    assert [group.points.tolist() for group in groups] == [[0, 3, 5], [1, 2], [4]]
    assert [group.bones.tolist() for group in groups] == [[0, 1], [2], []]
    assert groups[0].ends.tolist() == [[0, 1], [1, 2]]


def test_a_body_falls_into_halves_and_a_face():
    names = load_joint_set("blazepose33").points
    groups = groups_of(np.arange(33), bones_of(names).ends)
    assert sorted(len(group.points) for group in groups) == [10, 11, 12]


@pytest.fixture
def equations(rng, request):
    """A group of three points and two bones over some frames, and the same as a dense matrix."""
    frames, points = getattr(request, "param", 6), 3
    group = groups_of(np.arange(points), np.array([[0, 2], [2, 1]]))[0]
    J = rng.normal(size=(frames, points, 4, 3))
    H = np.einsum("fpki,fpkj->fpij", J, J)
    bands = Smoothness(np.cumsum(rng.uniform(0.5, 1, frames)), np.array([1.0, 2.0, 3.0])).bands()
    direction = rng.normal(size=(frames, 2, 3))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    spring = 7 * direction[..., :, None] * direction[..., None, :]
    dense = np.zeros((frames, points, 3, frames, points, 3))
    for f in range(frames):
        for p in range(points):
            dense[f, p, :, f, p] += H[f, p] + bands[0][f, p] * np.eye(3)
            for later in (1, 2):
                if f + later < frames:
                    dense[f + later, p, :, f, p] += bands[later][f, p] * np.eye(3)
                    dense[f, p, :, f + later, p] += bands[later][f, p] * np.eye(3)
        for bone, (a, b) in enumerate(group.ends):
            for one, other, sign in ((a, a, 1), (b, b, 1), (a, b, -1), (b, a, -1)):
                dense[f, one, :, f, other] += sign * spring[f, bone]
    planes = np.stack([H[..., i, j] for i, j in UPPER])
    return group, planes, bands, spring, direction, dense.reshape(frames * points * 3, -1)


@pytest.mark.parametrize(("kind", "tolerance"), [(np.float64, 1e-9), (np.float32, 1e-4)])
def test_banded_equations_are_the_dense_ones(equations, rng, kind, tolerance):
    group, planes, bands, spring, _, dense = equations
    right = rng.normal(size=(6, 3, 3))
    solved = BandedGroup(group, planes, bands, spring, kind).solve(right)
    np.testing.assert_allclose(solved.ravel(), np.linalg.solve(dense, right.ravel()), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("equations", [5, 6], indirect=True)
def test_blocks_of_the_inverse_are_those_of_the_dense_inverse(equations):
    group, planes, bands, spring, direction, dense = equations
    frames = len(direction)
    covariance, along = _blocks_of_inverse(*_factorised(group, planes, bands, spring), group, direction)
    inverse = np.linalg.inv(dense).reshape(frames, 3, 3, frames, 3, 3)
    for f in range(frames):
        for p in range(3):
            np.testing.assert_allclose(covariance[f, p], inverse[f, p, :, f, p], atol=1e-10)
        for bone, (a, b) in enumerate(group.ends):
            d = direction[f, bone]
            ends = inverse[f, a, :, f, a] + inverse[f, b, :, f, b] - inverse[f, a, :, f, b] - inverse[f, b, :, f, a]
            assert along[f, bone] == pytest.approx(d @ ends @ d)


def test_what_does_not_rise_is_refused(equations):
    group, planes, bands, spring, *_ = equations
    with pytest.raises(NotPositiveError):
        BandedGroup(group, -100 * planes, bands, spring)


def test_bones_of_joint_sets_have_twins():
    names = load_joint_set("coco17").points
    bones = bones_of(names)
    thigh = [names.index("left_hip"), names.index("left_knee")]
    place = bones.ends.tolist().index(thigh)
    assert bones.ends[bones.twin[place]].tolist() == [names.index("right_hip"), names.index("right_knee")]
    # Without the right knee its bones go, and the left thigh is its own twin.
    left = bones.among(np.array([name != "right_knee" for name in names]))
    assert left.twin[left.ends.tolist().index(thigh)] == left.ends.tolist().index(thigh)
    assert len(bones_of(["tail", "horn"])) == 0


def test_windows_cover_every_frame_once_and_a_second_around():
    time_s = np.arange(1000) / 50
    cut = windows(time_s, 250)
    assert [(window.core.start, window.core.stop) for window in cut] == [(0, 250), (250, 500), (500, 750), (750, 1000)]
    assert [(window.all.start, window.all.stop) for window in cut] == [(0, 300), (200, 550), (450, 800), (700, 1000)]
    assert len(windows(time_s[:10])) == 1


def test_a_sample_of_a_short_take_is_the_take():
    assert sample(np.arange(100) / 50) == [slice(0, 100)]
    parts = sample(np.arange(10_000) / 50)
    assert len(parts) == 8
    assert (parts[0].start, parts[-1].stop) == (0, 10_000)


@pytest.mark.parametrize("last_s", [0.0, 0.1])
def test_the_memory_of_errors_is_found(ring, rng, last_s):
    """Errors of an autoregressive process: the correlation falls by exp(-step / last_s) a frame."""
    cameras, frames, step_s = ring(4), 1500, 1 / 60
    xyz = np.broadcast_to(rng.uniform(-0.5, 0.5, (10, 3)) + np.array([0, 0, 1]), (frames, 10, 3))
    noise = rng.standard_normal((4, frames, 10, 2))
    keep = np.exp(-step_s / last_s) if last_s else 0.0
    for frame in range(1, frames):
        noise[:, frame] = keep * noise[:, frame - 1] + np.sqrt(1 - keep**2) * noise[:, frame]
    xy = cameras.project(xyz) + 4 * noise
    memory = measure_memory(cameras, xy, np.full(xy.shape[:3], 4.0), xyz, np.arange(frames) * step_s)
    # 80 series of 1500 frames: each lag's correlation is known to 0.003, twelve times worse where errors last.
    np.testing.assert_allclose(memory.correlation[:6], keep ** np.arange(6), atol=0.04)


def test_growth_is_that_of_simulated_smoothing(rng):
    """A smoother of white-noise accelerations fed with errors that last: its variance, against what is stated."""
    frames, step_s, density, sigma, keep = 600, 1 / 60, 20.0, 0.012, 0.9
    bands = Smoothness(np.arange(frames) * step_s, np.array([density])).bands()
    prior = np.diag(bands[0][:, 0]) + sum(np.diag(bands[k][:-k, 0], k) + np.diag(bands[k][:-k, 0], -k) for k in (1, 2))
    gain = np.linalg.inv(prior + np.eye(frames) / sigma**2)
    lags = np.abs(np.arange(frames)[:, None] - np.arange(frames))
    middle = frames // 2
    row = gain[middle] / sigma**2
    let_through = sigma**2 * row @ keep**lags @ row
    true = let_through + gain[middle] @ prior @ gain[middle]
    memory = ErrorMemory(keep ** np.arange(61.0), step_s)
    grown = float(memory.growth(np.array(gain[middle, middle]), density))
    assert grown == pytest.approx(true / gain[middle, middle], rel=0.04)
    assert float(ErrorMemory(np.eye(61)[0], step_s).growth(np.array(1e-4), density)) == pytest.approx(1.0, abs=0.01)
