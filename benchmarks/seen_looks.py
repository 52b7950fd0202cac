"""What made-up people and rooms look like: thickness, clothes, skin and hair; floors, walls, clutter and light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from benchmarks.seen_body import Build, Girth
from blender import person
from blender.armature import BONE_NAMES
from blender.person import Body

Array = npt.NDArray[np.float64]

HOLDS = 8
"""Bones that a vertex follows at most, the strongest; the others have 2 % together at most."""

TEXTURE_PX = 256

EYES_M = -0.072
"""Eyes, brows and lips are in front of this, hair is behind."""

SKINS = np.array(
    [
        [0.93, 0.76, 0.67],
        [0.80, 0.58, 0.46],
        [0.72, 0.51, 0.38],
        [0.55, 0.37, 0.26],
        [0.39, 0.25, 0.17],
        [0.26, 0.16, 0.12],
    ]
)
HAIRS = np.array([[0.08, 0.06, 0.05], [0.20, 0.12, 0.07], [0.36, 0.23, 0.12], [0.72, 0.56, 0.32], [0.55, 0.54, 0.53]])

_DYES = ("SKIN", "SHIRT", "SHIRT_STRIPE", "DENIM", "SHOE", "SOLE", "HAIR", "LIPS", "EYE", "IRIS")


@dataclass(frozen=True, eq=False)
class Figure:
    """The person as the renderer takes it: at rest, in the rest of a `Build`.

    vertices_m, normals, colors (vertices, 3); hold (vertices, HOLDS) of bones and weight of the same shape, which sums
    to 1; faces (faces, 3).
    """

    vertices_m: Array
    normals: Array
    colors: Array
    hold: npt.NDArray[np.int64]
    weight: Array
    faces: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Room:
    """What is around the person.

    floor, wall: textures (TEXTURE_PX, TEXTURE_PX, 3), sRGB, each repeated every tile_m. turn_rad, middle_m (2,),
    half_m (2,), ceiling_m: the walls' place; floor_m: the floor's height. boxes: triangles (n, 3, 3) with colours (n,
    3). light (3,): towards it; ambient: the share of light from everywhere; sky: whether the walls are far away and
    have no ceiling.
    """

    floor: Array
    wall: Array
    tile_m: tuple[float, float]
    turn_rad: float
    middle_m: Array
    half_m: Array
    ceiling_m: float
    floor_m: float
    boxes: Array
    box_colors: Array
    light: Array
    ambient: float
    sky: bool


def draw_girth(rng: np.random.Generator) -> Girth:
    """Draw how thick a body is."""
    common = rng.normal(0, 0.07)
    trunk, arm, leg = np.exp(common + rng.normal([0.03, 0, 0], [0.06, 0.06, 0.05]))
    head, hand, foot = np.exp(rng.normal(0, [0.03, 0.04, 0.05]))
    return Girth(float(trunk), float(arm), float(leg), float(head), float(hand), float(foot))


def dress(rng: np.random.Generator, body: Body, build: Build) -> Figure:
    """Return a person of random clothes, skin and hair.

    What a vertex is made of is told by which of the person's own dyes its colour is nearest to.
    """
    mesh = body.mesh
    own = np.zeros_like(mesh.vertices_m)
    own[mesh.faces] = mesh.face_colors
    dyes = np.stack([getattr(person, name) for name in _DYES])
    stuff = np.array(_DYES)[np.linalg.norm(own[:, None] - dyes, axis=-1).argmin(axis=1)]
    strongest = np.array(BONE_NAMES)[body.weights.argmax(axis=1)]
    limb = np.array([name.split("_", 1)[-1] for name in strongest])
    on_head = np.isin(limb, ("head", "neck"))
    shirt = np.isin(stuff, ("SHIRT", "SHIRT_STRIPE")) & ~on_head
    trousers = (stuff == "DENIM") & ~on_head
    shoes = np.isin(stuff, ("SHOE", "SOLE")) & (limb == "foot")
    hair = np.isin(stuff, ("HAIR", "SOLE", "IRIS")) & on_head
    front = mesh.vertices_m[:, 1] < EYES_M  # dark hair has the dye of eyes
    face = np.isin(stuff, ("LIPS", "EYE", "IRIS")) & on_head & front
    hair &= ~face
    skin = ~(shirt | trousers | shoes | hair | face)
    sleeves = rng.random()
    if sleeves < 0.45:
        shirt |= skin & np.isin(limb, ("upper_arm", "forearm"))
    elif sleeves < 0.6:
        shirt &= ~np.isin(limb, ("upper_arm",))
    if rng.random() < 0.3:
        trousers &= limb != "shin"
    skin = ~(shirt | trousers | shoes | hair | face)
    tone = np.clip(SKINS[rng.integers(len(SKINS))] * rng.uniform(0.92, 1.06) + rng.normal(0, 0.015, 3), 0, 1)
    colors = own.copy()
    colors[skin] = tone
    height = mesh.vertices_m[:, 2]
    cloth = _cloth(rng)
    second = _cloth(rng)
    colors[shirt] = cloth
    pattern = rng.random()
    if pattern < 0.25:
        colors[shirt & (np.mod(height, rng.uniform(0.04, 0.16)) < rng.uniform(0.015, 0.05))] = second
    elif pattern < 0.4:
        colors[shirt & (height > rng.uniform(1.0, 1.25))] = second
    colors[trousers] = cloth if rng.random() < 0.15 else _cloth(rng)
    colors[shoes] = tone if rng.random() < 0.12 else _cloth(rng)
    colors[hair] = tone if rng.random() < 0.07 else HAIRS[rng.integers(len(HAIRS))] * rng.uniform(0.7, 1.15)
    colors[face & (stuff == "LIPS")] = tone * [0.88, 0.62, 0.64]
    noise = np.where(shirt | trousers, 0.03, 0.012) * rng.normal(size=len(colors))
    colors = np.clip(colors + noise[:, None], 0.01, 1)
    vertices = build.stretched(mesh.vertices_m, body.weights)
    loose_m = np.where(shirt, rng.uniform(0, 0.022), 0) + np.where(trousers, rng.uniform(0, 0.02), 0)
    normals = vertex_normals(vertices, mesh.faces)
    vertices = vertices + loose_m[:, None] * normals
    order = np.argsort(-body.weights, axis=1)[:, :HOLDS]
    weight = np.take_along_axis(body.weights, order, axis=1)
    weight /= weight.sum(axis=1, keepdims=True)
    return Figure(vertices, vertex_normals(vertices, mesh.faces), colors, order, weight, mesh.faces)


def _cloth(rng: np.random.Generator) -> Array:
    """Draw a colour of cloth: greys and blues more often than all others."""
    kind = rng.random()
    if kind < 0.35:
        grey: Array = rng.uniform(0.06, 0.92) + rng.normal(0, 0.015, 3)
        return np.clip(grey, 0.03, 0.95)
    if kind < 0.55:
        return np.array([0.17, 0.26, 0.46]) * rng.uniform(0.5, 1.6)
    return rng.uniform(0.08, 0.92, 3)


def vertex_normals(vertices: Array, faces: npt.NDArray[np.int64]) -> Array:
    """Return unit normals (vertices, 3): means of the faces', weighted by their areas."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    flat = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for k in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(faces[:, k], flat[:, axis], len(vertices))
    unit: Array = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return unit


def draw_room(rng: np.random.Generator, middle_m: Array, camera_m: Array, reach_m: float, floor_m: float) -> Room:
    """Draw a room or a place outside around a person.

    Parameters
    ----------
    rng
        The source of chance.
    middle_m, camera_m
        (3,) of the world: the middle of the person's path, and the camera's place; both end up inside of the walls.
    reach_m
        How far from the middle the person comes.
    floor_m
        The floor's height.
    """
    sky = bool(rng.random() < 0.25)
    between = (middle_m[:2] + camera_m[:2]) / 2
    needed = float(np.linalg.norm(camera_m[:2] - middle_m[:2])) / 2 + reach_m + 0.6
    half = needed + (rng.uniform(15, 30, 2) if sky else rng.exponential(1.8, 2))
    turn = rng.uniform(0, np.pi)
    boxes, colors = [], []
    for _ in range(rng.integers(0, 7)):
        # Behind the person as the camera sees it, or beside.
        away = middle_m[:2] - camera_m[:2]
        angle = np.arctan2(away[1], away[0]) + rng.uniform(-1.3, 1.3)
        size = rng.uniform([0.1, 0.1, 0.15], [0.7, 0.7, 1.9])
        place = middle_m[:2] + (reach_m + 0.7 + size[:2].max() + rng.exponential(0.9)) * np.array(
            [np.cos(angle), np.sin(angle)]
        )
        boxes.append(_box(np.array([*place, floor_m]), size, rng.uniform(0, np.pi)))
        colors.append(np.repeat(_cloth(rng)[None] * rng.uniform(0.8, 1.1, (6, 1)), 2, axis=0))
    side = rng.uniform(0, 2 * np.pi)
    up = rng.uniform(0.45, 1.3)
    return Room(
        floor=_texture(rng),
        wall=_texture(rng),
        tile_m=(rng.uniform(0.8, 4), rng.uniform(2, 8) * (6 if sky else 1)),
        turn_rad=turn,
        middle_m=between,
        half_m=half,
        ceiling_m=max(float(camera_m[2]), floor_m + 2.2) + rng.uniform(0.2, 1.2),
        floor_m=floor_m,
        boxes=np.concatenate(boxes) if boxes else np.zeros((0, 3, 3)),
        box_colors=np.clip(np.concatenate(colors), 0, 1) if colors else np.zeros((0, 3)),
        light=np.array([np.cos(side) * np.cos(up), np.sin(side) * np.cos(up), np.sin(up)]),
        ambient=rng.uniform(0.5, 0.85),
        sky=sky,
    )


def _box(foot: Array, size: Array, turn: float) -> Array:
    """Return the 12 triangles of a box that stands at a place."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (0, 2)], dtype=np.float64) * size / 2
    cos, sin = np.cos(turn), np.sin(turn)
    corners = corners @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) + foot
    sides = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    triangles = [
        corners[[a, b, c]] for side in sides for a, b, c in ((side[0], side[1], side[2]), (side[0], side[2], side[3]))
    ]
    return np.stack(triangles)


def _texture(rng: np.random.Generator) -> Array:
    """Draw a texture that repeats: noise, planks, tiles, or pictures on a plain ground."""
    kinds: tuple[Callable[[np.random.Generator], Array], ...] = (_plain, _stripes, _tiles, _rectangles)
    base = kinds[rng.integers(len(kinds))](rng)
    noise = sum(
        gaussian_filter(rng.normal(size=(TEXTURE_PX, TEXTURE_PX)), sigma, mode="wrap") * sigma for sigma in (1.5, 6, 24)
    )
    strength = rng.uniform(0.005, 0.05)
    textured: Array = np.clip(base + strength * np.asarray(noise)[..., None], 0, 1)
    return textured


def _plain(rng: np.random.Generator) -> Array:
    wave = np.cos(2 * np.pi * np.arange(TEXTURE_PX) / TEXTURE_PX)[:, None, None]
    return np.broadcast_to(_ground(rng), (TEXTURE_PX, TEXTURE_PX, 3)) + rng.uniform(0, 0.12) * wave


def _ground(rng: np.random.Generator) -> Array:
    colour: Array = np.clip(rng.uniform(0.15, 0.9) + rng.normal(0, 0.07, 3), 0.05, 0.95)
    return colour


def _stripes(rng: np.random.Generator) -> Array:
    count = int(rng.choice([4, 8, 16]))
    rows = rng.normal(0, 0.05, (count, 1)) + _ground(rng)
    image = np.repeat(rows, TEXTURE_PX // count, axis=0)[:, None].repeat(TEXTURE_PX, axis=1)
    image[:: TEXTURE_PX // count] *= 0.6
    return image if rng.random() < 0.5 else image.transpose(1, 0, 2)


def _tiles(rng: np.random.Generator) -> Array:
    count = int(rng.choice([2, 4, 8]))
    two = np.stack([_ground(rng), _ground(rng) if rng.random() < 0.3 else _ground(rng) * 0 + rng.uniform(0.3, 0.8)])
    board = two[np.indices((count, count)).sum(axis=0) % 2]
    side = TEXTURE_PX // count
    image = board.repeat(side, axis=0).repeat(side, axis=1)
    image[::side] *= 0.8
    image[:, ::side] *= 0.8
    return image


def _rectangles(rng: np.random.Generator) -> Array:
    image = np.array(_plain(rng))
    for _ in range(rng.integers(2, 12)):
        x, y = rng.integers(0, TEXTURE_PX - 20, 2)
        w, h = rng.integers(10, 90, 2)
        image[y : y + h, x : x + w] = rng.uniform(0.05, 0.95, 3)
    return image
