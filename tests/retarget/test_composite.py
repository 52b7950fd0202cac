import numpy as np
import pytest

from retarget.composite import Composite, displaced, landmarks_hanging, pose_twists, within
from retarget.shape_model import ShapeModel

STEP = 1e-6


@pytest.fixture
def poses(actor):
    return actor.poses[slice(0, 240, 80)]


def by_differences(place, size):
    """The landmarks' derivatives by parameters: (frames, size, landmarks, 3)."""
    columns = [(place(STEP * unit) - place(-STEP * unit)) / (2 * STEP) for unit in np.eye(size)]
    return np.stack(columns, axis=1)


def by_twists(twists, hangs, q):
    """The same from the bodies' twists (frames, size, 6); `hangs` (landmarks, size): what moves which landmark."""
    moved = [np.where(hangs[k][:, None], displaced(twists, q[:, k : k + 1]), 0.0) for k in range(q.shape[1])]
    return np.stack(moved, axis=2)


def test_twists_of_the_pose_move_the_landmarks_as_differences_do(actor, poses):
    kinematics = actor.kinematics
    placed = kinematics.place(poses, actor.shape)
    q = placed.landmark_m - poses.root_m[:, None]
    hangs = kinematics.ancestor[kinematics.dof_body][:, kinematics.landmark_axes].T

    def place(change):
        step = np.tile(change, (3, 1))
        return kinematics.place(kinematics.moved(poses, step), actor.shape).landmark_m

    numeric = by_differences(place, kinematics.dofs)
    np.testing.assert_allclose(by_twists(pose_twists(kinematics, placed), hangs, q), numeric, atol=1e-8)


def test_twists_of_the_shape_move_the_landmarks_as_differences_do(actor, poses):
    kinematics = actor.kinematics
    model = ShapeModel(kinematics)
    mean, _ = model.prior(1.1)
    placed = kinematics.place(poses, model.shape(mean, 1.1))
    twists, body, share = model.twists(placed)
    marks = 2 * len(kinematics.parents) + np.arange(len(kinematics.landmarks))
    hangs = within(kinematics, landmarks_hanging(kinematics), marks, body)
    pieces = by_twists(twists, hangs, placed.landmark_m - poses.root_m[:, None])
    numeric = by_differences(lambda c: kinematics.place(poses, model.shape(mean + c, 1.1)).landmark_m, model.size)
    np.testing.assert_allclose(np.einsum("fplk,ps->fslk", pieces, share), numeric, atol=1e-8)


def test_normal_equations_are_those_of_the_jacobian(actor, poses):
    kinematics = actor.kinematics
    rng = np.random.default_rng(4)
    placed = kinematics.place(poses, actor.shape)
    shape = placed.landmark_m.shape
    root = rng.normal(size=(*shape, 3))
    information = root @ root.swapaxes(-1, -2)
    gradient = rng.normal(size=shape)
    twists, body = pose_twists(kinematics, placed), kinematics.dof_body
    hangs = kinematics.ancestor[body][:, kinematics.landmark_axes].T
    jacobian = by_twists(twists, hangs, placed.landmark_m - poses.root_m[:, None])
    sums = Composite(kinematics, poses.root_m, placed.landmark_m, landmarks_hanging(kinematics), gradient, information)
    np.testing.assert_allclose(sums.gradient(twists, body), np.einsum("fdlk,flk->fd", jacobian, gradient), atol=1e-9)
    inside = within(kinematics, landmarks_hanging(kinematics), body, body)
    products = np.where(inside, sums.products(twists, body, twists), 0.0)
    whole = np.einsum("fdlk,flkm,felm->fde", jacobian, information, jacobian)
    related = inside | inside.T
    np.testing.assert_allclose(np.where(inside, whole, 0.0), products, atol=1e-9)
    assert np.abs(whole[:, ~related]).max() < 1e-12
