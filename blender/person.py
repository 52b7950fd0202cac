"""The person's body, built from code alone: rounded solids for flesh and clothes, colours, and skin weights.

Lengths are those of a 1.76 m body standing at rest (`blender.armature`), scaled at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from blender.armature import BONE_NAMES, BONES, REST, SCALE, SIDES, Pose
from blender.distance_field import DistanceField, Surface, capsule, distance_to_segment, ellipsoid, polygonise
from blender.mesh import Mesh
from blender.skin import blend, smooth_weights

Array = npt.NDArray[np.float64]

VOXEL_M = 0.0085
CASTER_VOXEL_M = 0.028
CASTER_INSET_M = 0.012
SEED = 11

SKIN = np.array([0.80, 0.58, 0.46])
SHIRT = np.array([0.80, 0.24, 0.20])
SHIRT_STRIPE = np.array([0.93, 0.89, 0.82])
DENIM = np.array([0.17, 0.26, 0.46])
SHOE = np.array([0.92, 0.90, 0.86])
SOLE = np.array([0.25, 0.22, 0.22])
HAIR = np.array([0.20, 0.12, 0.07])
LIPS = np.array([0.68, 0.34, 0.32])
EYE = np.array([0.95, 0.95, 0.94])
IRIS = np.array([0.16, 0.09, 0.05])

_BOX = ((-0.72, -0.26, -0.02), (0.72, 0.24, 1.80))
_BLEND = 0.022

# Distance over which one bone's hold on the skin fades into the next one's; thick parts reach further out.
FADE_M = 0.035
REACH = {"pelvis": 1.6, "spine": 1.5, "chest": 1.7, "head": 1.3, "thigh": 1.3}
WEIGHT_SMOOTHING_ROUNDS = 6


@dataclass(frozen=True, eq=False)
class Body:
    """A surface at rest and how it follows the bones.

    Attributes
    ----------
    mesh
        The surface at rest, metres.
    weights
        (vertices, bones) in the order of `BONE_NAMES`; each row sums to 1.
    """

    mesh: Mesh
    weights: Array

    def deform(self, pose: Pose) -> Array:
        """Return the vertices (vertices, 3), metres, in the first moment of the pose."""
        rotation = Rotation.from_quat(np.stack([pose.rotation[name][0].as_quat() for name in BONE_NAMES]))
        shift_m = np.stack([pose.shift_m[name][0] for name in BONE_NAMES])
        return blend(self.mesh.vertices_m, self.weights, rotation, shift_m)


def build(voxel_m: float = VOXEL_M) -> Body:
    """Build the person; coarser voxels build faster and look rougher."""
    layers = [_flesh_and_clothes(voxel_m), _hair(min(voxel_m, 0.008)), *_face()]
    vertices, faces, colors, weights = [], [], [], []
    count = 0
    for mesh, weight in layers:
        vertices.append(mesh.vertices_m)
        faces.append(mesh.faces + count)
        colors.append(mesh.face_colors)
        weights.append(weight)
        count += len(mesh.vertices_m)
    mesh = Mesh(SCALE * np.concatenate(vertices), np.concatenate(faces), np.concatenate(colors), smooth=True)
    return Body(mesh, np.concatenate(weights))


def build_shadow_caster(body: Body) -> Body:
    """Build a coarse double that fits inside the body, to throw the shadow in its place.

    Workbench's shadows of a fine mesh on itself are slow and leave specks; the double's fall smoothly. It moves and
    is coloured as the skin next to it, so nothing shows where it should touch the surface.
    """
    from scipy.spatial import cKDTree

    fields = [_inset(field) for _, field in _parts()]
    surface = polygonise(fields, *_BOX, CASTER_VOXEL_M, _BLEND)
    vertices = SCALE * surface.vertices
    _, nearest = cKDTree(body.mesh.vertices_m).query(vertices)
    colors = np.empty_like(body.mesh.vertices_m)
    colors[body.mesh.faces] = body.mesh.face_colors
    return Body(Mesh(vertices, surface.faces, colors[nearest][surface.faces]), body.weights[nearest])


def _inset(field: DistanceField) -> DistanceField:
    return lambda points: field(points) + CASTER_INSET_M


def _stuff(parts: list[tuple[str, DistanceField]], surface: Surface) -> npt.NDArray[np.str_]:
    """Return what each vertex of the surface is made of."""
    return np.array([name for name, _ in parts])[surface.part]


def _joint(name: str, y: float = 0.0, z: float = 0.0) -> Array:
    """Return a resting joint of the 1.76 m body, or a point that lies so far from it: (3,)."""
    joint: Array = REST[name] / SCALE + np.array([0.0, y, z])
    return joint


def _parts() -> list[tuple[str, DistanceField]]:
    """Return the solids of the body, each with what it is made of."""
    parts: list[tuple[str, DistanceField]] = [
        ("shirt", ellipsoid((0, 0.02, 1.33), (0.165, 0.115, 0.17))),
        ("shirt", ellipsoid((0, 0.015, 1.14), (0.145, 0.105, 0.17))),
        ("shirt", capsule((-0.12, 0.02, 1.435), (0.12, 0.02, 1.435), 0.062, 0.062)),
        ("denim", ellipsoid((0, 0.015, 0.965), (0.165, 0.12, 0.12))),
        ("skin", capsule(_joint("neck", z=-0.03), _joint("head", z=0.03), 0.056, 0.054)),
        ("skin", ellipsoid((0, 0.012, 1.665), (0.075, 0.095, 0.098))),  # skull
        ("skin", ellipsoid((0, -0.03, 1.615), (0.058, 0.062, 0.075))),  # face
        ("skin", ellipsoid((0, -0.065, 1.565), (0.028, 0.022, 0.02))),  # chin
        ("skin", capsule((0, -0.088, 1.655), (0, -0.108, 1.622), 0.007, 0.014)),  # nose
    ]
    for side, x in SIDES.items():
        parts += [
            ("denim", ellipsoid((0.07 * x, 0.055, 0.93), (0.085, 0.08, 0.09))),
            ("skin", ellipsoid((0.077 * x, 0.012, 1.64), (0.011, 0.022, 0.034))),  # ear
            ("skin", ellipsoid((0.04 * x, -0.066, 1.615), (0.022, 0.02, 0.02))),  # cheek
            *_arm_parts(side),
            *_leg_parts(side),
        ]
    return parts


def _arm_parts(side: str) -> list[tuple[str, DistanceField]]:
    shoulder, elbow, wrist = (_joint(f"{side}_{name}") for name in ("shoulder", "elbow", "wrist"))
    along = (wrist - elbow) / np.linalg.norm(wrist - elbow)
    forward = np.array([0.0, 1.0, 0.0])
    parts = [
        ("shirt", capsule(shoulder, shoulder + 0.62 * (elbow - shoulder), 0.062, 0.055)),
        ("skin", capsule(shoulder, elbow, 0.05, 0.04)),
        ("skin", capsule(elbow, wrist, 0.041, 0.027)),
        ("skin", ellipsoid(elbow + 0.06 * along, (0.036, 0.04, 0.06))),
    ]
    for across, reach in ((0.012, 0.012), (-0.016, -0.020)):  # the palm
        start, end = wrist + 0.03 * along + across * forward, wrist + 0.085 * along + reach * forward
        parts.append(("hand", capsule(start, end, 0.022, 0.020)))
    for across, length in ((-0.03, 0.07), (-0.011, 0.082), (0.008, 0.076), (0.026, 0.06)):  # the fingers
        start = wrist + 0.09 * along + across * forward
        parts.append(("hand", capsule(start, start + length * along + 0.15 * across * forward, 0.0095, 0.0075)))
    thumb = wrist + 0.03 * along - 0.03 * forward
    parts.append(("hand", capsule(thumb, thumb + 0.055 * along - 0.038 * forward, 0.012, 0.009)))
    return parts


def _leg_parts(side: str) -> list[tuple[str, DistanceField]]:
    hip, knee, ankle, toe = (f"{side}_{name}" for name in ("hip", "knee", "ankle", "foot_index"))
    calf = 0.7 * _joint(knee) + 0.3 * _joint(ankle) + np.array([0, 0.018, 0])
    return [
        ("denim", capsule(_joint(hip), _joint(knee), 0.092, 0.062)),
        ("denim", capsule(_joint(knee), _joint(ankle, z=0.02), 0.06, 0.05)),
        ("denim", ellipsoid(calf, (0.052, 0.055, 0.11))),
        ("shoe", ellipsoid(_joint(ankle, z=-0.035), (0.045, 0.06, 0.05))),
        ("shoe", capsule(_joint(ankle, 0.02, -0.047), _joint(toe, 0.04, 0.008), 0.038, 0.034)),
        ("shoe", ellipsoid(_joint(toe, y=0.02), (0.042, 0.05, 0.03))),
    ]


def _flesh_and_clothes(voxel_m: float) -> tuple[Mesh, Array]:
    parts = _parts()
    surface = polygonise([field for _, field in parts], *_BOX, voxel_m, _BLEND)
    surface.vertices[:, 2] = np.maximum(surface.vertices[:, 2], 0.0)  # flat soles
    stuff = _stuff(parts, surface)
    colors = _colors(surface.vertices, stuff)
    mesh = Mesh(surface.vertices, surface.faces, colors[surface.faces], smooth=True)
    return mesh, smooth_weights(_hold(surface, stuff), surface.faces, WEIGHT_SMOOTHING_ROUNDS)


def _colors(vertices: Array, stuff: npt.NDArray[np.str_]) -> Array:
    """Dye each vertex (vertices, 3): a striped shirt, worn denim, pale shoes with dark soles."""
    rng = np.random.default_rng(SEED)
    z = vertices[:, 2]
    colors = np.tile(SKIN, (len(vertices), 1))
    stripe = (np.mod(z, 0.085) < 0.03) & (np.abs(vertices[:, 0]) < 0.19)
    colors[stuff == "shirt"] = SHIRT
    colors[(stuff == "shirt") & stripe] = SHIRT_STRIPE
    colors[stuff == "denim"] = DENIM
    colors[stuff == "shoe"] = SHOE
    colors[(stuff == "shoe") & (z < 0.022)] = SOLE
    grain = rng.normal(0.0, 1.0, len(vertices)) * np.where(stuff == "denim", 0.05, 0.012)
    # Worn thighs and shaded seams keep the limbs apart where they overlap.
    worn = np.where(stuff == "denim", 0.10 * np.exp(-(((z - 0.72) / 0.10) ** 2)) * (vertices[:, 1] < 0), 0.0)
    dyed: Array = np.clip(colors + (grain + worn)[:, None], 0.0, 1.0)
    return dyed


def _hold(surface: Surface, stuff: npt.NDArray[np.str_]) -> Array:
    """Return how strongly each bone holds each vertex (vertices, bones), not normalised: by distance, within its limb.

    Nearness alone would glue a hanging arm to the hip and one leg to the other, so each kind of surface is held by
    the bones of its own limb only.
    """
    vertices = surface.vertices
    distance = np.stack(
        [
            distance_to_segment(vertices, _joint(bone.head), _joint(bone.tail))[0]
            / REACH.get(bone.name.split("_")[-1], 1.0)
            for bone in BONES
        ],
        axis=1,
    )
    excess = np.maximum(distance, 1e-3) - distance.min(axis=1, keepdims=True)
    hold: Array = np.exp(-excess / FADE_M) * (excess < 4 * FADE_M)

    def bones(*kinds: str) -> npt.NDArray[np.bool_]:
        return np.array([name.endswith(kinds) for name in BONE_NAMES])

    arm, leg, clavicle = bones("arm", "hand"), bones("thigh", "shin", "foot"), bones("clavicle")
    for side, sign in SIDES.items():
        own = np.array([name.startswith(side) for name in BONE_NAMES])
        hold[:, own] *= 1.0 / (1.0 + np.exp(-sign * vertices[:, :1] / 0.012))
    bare_arm = (stuff == "hand") | ((stuff == "skin") & (np.abs(vertices[:, 0]) > 0.16))
    trouser_leg = (stuff == "shoe") | ((stuff == "denim") & (vertices[:, 2] < 0.85))
    hold[np.ix_(bare_arm, ~arm)] = 0.0
    hold[np.ix_(trouser_leg, ~leg)] = 0.0
    hold[:, clavicle] *= 0.6
    head = vertices[:, 2] > 1.545
    hold[head] = 0.0
    hold[head, BONE_NAMES.index("head")] = 1.0
    return hold


def _on_head(mesh: Mesh) -> tuple[Mesh, Array]:
    """Hold a mesh by the head alone."""
    weights = np.zeros((len(mesh.vertices_m), len(BONE_NAMES)))
    weights[:, BONE_NAMES.index("head")] = 1.0
    return mesh, weights


def _hair(voxel_m: float) -> tuple[Mesh, Array]:
    rng = np.random.default_rng(SEED)
    solids = [ellipsoid((0, 0.022, 1.685), (0.083, 0.100, 0.094)), ellipsoid((0, 0.07, 1.60), (0.072, 0.05, 0.11))]
    surface = polygonise(solids, (-0.12, -0.12, 1.45), (0.12, 0.16, 1.80), voxel_m, 0.02)
    vertices = surface.vertices
    _, y, z = vertices.T
    kept = ((y > -0.052) | (z > 1.722)) & ((z > 1.64) | (y > 0.03))  # free the face and the ears
    faces = surface.faces[kept[surface.faces].all(axis=1)]
    vertices = vertices + rng.normal(0.0, 0.003, vertices.shape)
    strands = np.clip(HAIR + rng.normal(0.0, 0.03, (len(vertices), 1)), 0, 1)
    return _on_head(Mesh(vertices, faces, strands[faces], smooth=True))


def _ball(center: tuple[float, float, float], radii: tuple[float, float, float], color: Array) -> tuple[Mesh, Array]:
    """Return an ellipsoid of twelve by eight faces that the head carries."""
    around, up = 12, 8
    longitude, latitude = np.meshgrid(
        np.linspace(0, 2 * np.pi, around, endpoint=False), np.linspace(-np.pi / 2, np.pi / 2, up + 1), indexing="ij"
    )
    sphere = np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=-1
    )
    index = np.arange(around * (up + 1)).reshape(around, up + 1)
    right = np.roll(index, -1, axis=0)
    lower = np.stack([index[:, :-1], right[:, :-1], right[:, 1:]], axis=-1).reshape(-1, 3)
    upper = np.stack([index[:, :-1], right[:, 1:], index[:, 1:]], axis=-1).reshape(-1, 3)
    faces = np.concatenate([lower, upper])
    vertices = np.asarray(center) + sphere.reshape(-1, 3) * np.asarray(radii)
    return _on_head(Mesh(vertices, faces, np.tile(color, (len(faces), 3, 1)), smooth=True))


def _face() -> list[tuple[Mesh, Array]]:
    """Return eyes with lids and brows, and lips: what a face detector looks for."""
    face = [
        _ball((0, -0.088, 1.598), (0.023, 0.0077, 0.0042), LIPS),
        _ball((0, -0.086, 1.591), (0.020, 0.0067, 0.0050), LIPS),
    ]
    for x in SIDES.values():
        face += [
            _ball((0.031 * x, -0.0835, 1.662), (0.0167, 0.0080, 0.0109), EYE),
            _ball((0.031 * x, -0.0895, 1.662), (0.0072, 0.0043, 0.0072), IRIS),
            _ball((0.031 * x, -0.0835, 1.668), (0.0184, 0.0088, 0.0072), 0.78 * SKIN),
            _ball((0.032 * x, -0.0870, 1.685), (0.0228, 0.0057, 0.0038), 0.8 * HAIR),
        ]
    return face
