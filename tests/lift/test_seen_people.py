"""The drawn people of the pairs: their joints are the recorded ones, and they are drawn where the truth says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmarks.seen_body import SIZE, Build, Girth, Habits, Placed, build_for, placed
from benchmarks.seen_looks import Figure, draw_room, dress, vertex_normals
from blender.armature import BONE_NAMES, BONES, REST, SIDES
from blender.person import Body, build
from blender.skin import blend
from lift.bodies import GROUPS, proportioned
from lift.points import MIRROR, POINTS, STATURE_M, stature

EARS = (REST["left_ear"] + REST["right_ear"]) / 2
OWN = SIZE * np.stack([EARS if name == "head" else REST[name] for name in POINTS])
PLACE = {name: k for k, name in enumerate(POINTS)}


def test_the_person_itself_has_the_standard_height() -> None:
    assert stature(OWN) == pytest.approx(STATURE_M)


def test_a_turned_person_is_turned_as_a_whole() -> None:
    turn = Rotation.from_euler("xyz", [[10, 20, 130], [-30, 15, 250]], degrees=True).as_matrix()
    points = np.einsum("fij,pj->fpi", turn, OWN) + np.array([[[1.0, 2, 0.5]]])
    body = build_for(points, Girth())
    done = placed(body, points, Habits())
    np.testing.assert_allclose(done.truth_m, points, atol=1e-6)
    np.testing.assert_allclose(done.rotation, np.broadcast_to(turn[:, None], done.rotation.shape), atol=1e-6)


def bent(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Return bodies of other lengths (frames, points, 3) that stand with limbs in any direction, each of one length."""
    factor = np.exp(0.06 * rng.standard_normal((1, len(GROUPS))))
    points = np.repeat(proportioned(OWN[None, None], factor)[0], frames, axis=0)
    for side in SIDES:
        for chain in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")):
            carried = [PLACE[f"{side}_{name}"] for name in chain]
            if chain[-1] == "ankle":
                carried += [PLACE[f"{side}_heel"], PLACE[f"{side}_foot_index"]]
            for first in range(2):  # turn what hangs on the joint, then what hangs on the next
                turn = Rotation.from_rotvec(rng.normal(0, 0.7, (frames, 3))).as_matrix()
                centre = points[:, carried[first], None]
                rest = carried[first + 1 :]
                points[:, rest] = np.einsum("fij,fpj->fpi", turn, points[:, rest] - centre) + centre
    return points


def ends(body: Build, done: Placed, bone: str, name: str) -> np.ndarray:
    place = BONE_NAMES.index(bone)
    moved: np.ndarray = done.rotation[:, place] @ body.joints[name] + done.shift_m[:, place]
    return moved


def test_every_bone_reaches_from_joint_to_joint() -> None:
    points = bent(np.random.default_rng(3), 40)
    body = build_for(points, Girth(trunk=1.2, arm=0.9))
    done = placed(body, points, Habits(twist_deg=(50, -30), wrist_deg=(20, 0)))
    for bone in BONES:
        if not bone.name.endswith(("upper_arm", "forearm", "thigh", "shin")):
            continue
        for name in (bone.head, bone.tail):
            gap = np.linalg.norm(ends(body, done, bone.name, name) - points[:, PLACE[name]], axis=1)
            assert gap.max() < 1e-3, f"{bone.name} misses {name} by {1000 * gap.max():.1f} mm"
    needed = [
        k for k, name in enumerate(POINTS) if name.endswith(("shoulder", "elbow", "wrist", "hip", "knee", "ankle"))
    ]
    np.testing.assert_allclose(done.truth_m[:, needed], points[:, needed], atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(done.rotation), 1, atol=1e-9)


def test_knees_and_elbows_bend_their_own_way() -> None:
    points = np.repeat(OWN[None], 2, axis=0)
    for side in SIDES:  # a squat: thighs forward, shins upright; forearms forward
        points[1, PLACE[f"{side}_knee"]] = points[1, PLACE[f"{side}_hip"]] + [0, -0.4, -0.2]
        shift = points[1, PLACE[f"{side}_knee"]] + [0, 0, -0.4] - points[0, PLACE[f"{side}_ankle"]]
        for name in ("ankle", "heel", "foot_index"):
            points[1, PLACE[f"{side}_{name}"]] = points[0, PLACE[f"{side}_{name}"]] + shift
        points[1, PLACE[f"{side}_wrist"]] = points[1, PLACE[f"{side}_elbow"]] + [0, -0.25, 0]
    done = placed(build_for(points, Girth()), points, Habits())
    for side in SIDES:
        for bone in ("thigh", "shin", "foot"):
            left = done.rotation[1, BONE_NAMES.index(f"{side}_{bone}")] @ [1.0, 0, 0]
            assert left[0] > 0.9, f"the {side} {bone} faces backwards"
        # At rest the inside of the elbow faces ahead, which is -y; bent, it faces along the forearm still.
        inside = done.rotation[1, BONE_NAMES.index(f"{side}_upper_arm")] @ [0, -1.0, 0]
        assert inside[1] < -0.9, f"the {side} elbow bends backwards"


def test_a_mirrored_person_is_placed_as_the_mirror_image() -> None:
    points = bent(np.random.default_rng(8), 10)
    flipped = points[:, MIRROR] * [-1, 1, 1]
    truth, other = (placed(build_for(p, Girth()), p, Habits()).truth_m for p in (points, flipped))
    np.testing.assert_allclose(other[:, MIRROR] * [-1, 1, 1], truth, atol=1e-6)


@pytest.fixture(scope="module")
def person() -> Body:
    pytest.importorskip("skimage", reason="the person's mesh needs scikit-image, of the extra `render`")
    return build(0.03)


def test_a_body_of_its_own_lengths_keeps_its_shape(person: Body) -> None:
    body = build_for(OWN[None], Girth())
    moved = body.stretched(person.mesh.vertices_m, person.weights)
    np.testing.assert_allclose(moved, SIZE * person.mesh.vertices_m, atol=1e-9)


def test_a_person_is_drawn_where_the_truth_is(person: Body) -> None:
    """What differs from a picture without the person has the bounds of the projected vertices, to a pixel or two."""
    pytest.importorskip("moderngl", reason="drawing needs moderngl, of the extra `render`")
    from benchmarks.seen_draw import Studio, open_context

    try:
        context = open_context()
    except Exception as error:  # whatever a system without a driver raises
        pytest.skip(f"there is no OpenGL without a window here: {error}")
    rng = np.random.default_rng(2)
    points = OWN[None].copy()
    points[0, PLACE["left_elbow"]] = points[0, PLACE["left_shoulder"]] + [0.05, 0, 0.3]  # the left arm is up
    points[0, PLACE["left_wrist"]] = points[0, PLACE["left_elbow"]] + [0.02, -0.05, 0.25]
    body = build_for(points, Girth())
    done = placed(body, points, Habits())
    figure: Figure = dress(rng, person, body)
    np.testing.assert_allclose(figure.normals, vertex_normals(figure.vertices_m, figure.faces))
    size_px, focal = (240, 320), 300.0
    matrix = np.array([[focal, 0, 119.5], [0, focal, 159.5], [0, 0, 1]])
    rotation = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # the camera looks along +y: to the person's front
    center = np.array([0.1, -2.6, 1.0])
    room = draw_room(rng, np.array([0, 0, 1.0]), center, 1.0, 0.0)
    studio = Studio(context, figure, room, size_px, matrix, rotation, center)
    try:
        shown = studio.picture(done.rotation[0], done.shift_m[0]).astype(int)
        empty = studio.picture(done.rotation[0], done.shift_m[0] - [0, 50, 0]).astype(int)
    finally:
        studio.close()
        context.release()
    weights = np.zeros((len(figure.hold), len(BONE_NAMES)))
    np.put_along_axis(weights, figure.hold, figure.weight, axis=1)
    vertices = blend(figure.vertices_m, weights, Rotation.from_matrix(done.rotation[0]), done.shift_m[0])
    cam = (vertices - center) @ rotation.T
    xy = cam[:, :2] / cam[:, 2:] * focal + matrix[:2, 2]
    rows, columns = np.nonzero(np.abs(shown - empty).sum(axis=-1) > 24)
    assert rows.min() == pytest.approx(xy[:, 1].min(), abs=1.5)
    # The raised hand is the left one, which a person who faces the camera has on the right of the picture.
    hand = xy[:, 1] < xy[:, 1].min() + 15
    high = rows < rows.min() + 15
    assert xy[hand, 0].min() > 130
    assert columns[high].min() == pytest.approx(xy[hand, 0].min(), abs=1.5)
    assert columns[high].max() == pytest.approx(xy[hand, 0].max(), abs=1.5)
    # And what hangs is on the left. Below the hips lies the shadow.
    upper = rows < 190
    assert columns[upper].min() == pytest.approx(xy[xy[:, 1] < 190, 0].min(), abs=1.5)
