"""Joint sets: which points a body has, how to draw them, and how to get one set's points from another's.

A set is one TOML file in `skeleton/data` with the keys `format = "clapcap-joint-set"`, `version`, `name` (the file's
stem), `points`, `left_right` (pairs), `edges` (tables `left`, `right`, `middle`: pairs of points to draw), `rigid`
(groups of points that keep their distances from each other, as the ends of a bone do), and for each
set from which it can be made a table `from.SET`. There a point is a source point's name, or a table of source points
with weights that sum to one; a point that is not listed is the source's point of the same name. Adding a set is adding
a file.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clapcap.errors import FileFormatError
from skeleton.keypoints import Keypoints2D, Keypoints3D

if TYPE_CHECKING:
    from importlib.abc import Traversable  # importlib.resources.abc from Python 3.11 on

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Array = npt.NDArray[np.float64]

FORMAT = "clapcap-joint-set"
VERSION = 1
SIDES = ("left", "right", "middle")


@dataclass(frozen=True)
class Edge:
    """A line between two points, to draw; `side` is the subject's: "left", "right" or "middle"."""

    start: str
    end: str
    side: str


@dataclass(frozen=True, eq=False)
class JointSet:
    """The points of a body, in order.

    Attributes
    ----------
    name
        The stem of its TOML file.
    points
        The points' names, in the order of arrays.
    edges
        The lines to draw between them.
    left_right
        Pairs (left point, right point) that change places in a mirror; a point in no pair lies in the middle.
    rigid
        Groups of points whose distances from each other stay the same, whatever the body does.
    sources
        For each set from which this one can be made: point -> {source point: weight}, weights summing to one. A point
        that is not listed is the source's point of the same name.
    """

    name: str
    points: tuple[str, ...]
    edges: tuple[Edge, ...]
    left_right: tuple[tuple[str, str], ...]
    rigid: tuple[tuple[str, ...], ...]
    sources: Mapping[str, Mapping[str, Mapping[str, float]]]

    def __post_init__(self) -> None:
        known = set(self.points)
        if not self.points:
            raise ValueError("there are no points")
        if len(known) != len(self.points):
            raise ValueError(f"points repeat: {sorted({p for p in self.points if self.points.count(p) > 1})}")
        paired = [point for pair in self.left_right for point in pair]
        if len(set(paired)) != len(paired):
            raise ValueError(f"points repeat in left_right: {sorted({p for p in paired if paired.count(p) > 1})}")
        ends = [point for edge in self.edges for point in (edge.start, edge.end)]
        held = [point for group in self.rigid for point in group]
        mapped = [point for weights in self.sources.values() for point in weights]
        for where, names in (("left_right", paired), ("edges", ends), ("rigid", held), ("from", mapped)):
            if unknown := sorted(set(names) - known):
                raise ValueError(f"{where} names points that the set does not have: {unknown}")
        for source, weights_of in self.sources.items():
            for point, weights in weights_of.items():
                if abs(sum(weights.values()) - 1) > 1e-9:
                    raise ValueError(f"the weights of {point} from {source} sum to {sum(weights.values())}, needed 1")

    def index(self, point: str) -> int:
        """Return the place of `point` in arrays of this set."""
        return self.points.index(point)

    @property
    def edge_indices(self) -> npt.NDArray[np.int64]:
        """(edges, 2): the places of each edge's points."""
        pairs = [(self.index(edge.start), self.index(edge.end)) for edge in self.edges]
        return np.array(pairs, dtype=np.int64).reshape(-1, 2)

    @property
    def rigid_pairs(self) -> tuple[tuple[str, str], ...]:
        """Every pair of points within a rigid group, once."""
        return tuple(dict.fromkeys(pair for group in self.rigid for pair in combinations(group, 2)))

    @property
    def swap_left_right_indices(self) -> npt.NDArray[np.int64]:
        """(points,): `array[:, indices]` has the left points where the right ones were, and the other way round."""
        indices = np.arange(len(self.points), dtype=np.int64)
        for left, right in self.left_right:
            indices[self.index(left)], indices[self.index(right)] = self.index(right), self.index(left)
        return indices


@cache
def available_joint_sets() -> tuple[str, ...]:
    """Return the names of the joint sets that ship with the package, sorted.

    Raises
    ------
    FileFormatError
        If a TOML file of `skeleton/data` cannot be parsed.
    """
    files = [f for f in _data_folder().iterdir() if f.name.endswith(".toml")]
    return tuple(sorted(_stem(f) for f in files if _parse(f).get("format") == FORMAT))


@cache
def load_joint_set(name: str) -> JointSet:
    """Return the joint set called `name`.

    Raises
    ------
    FileFormatError
        If there is no such set, or its file does not follow the format.
    """
    if name not in available_joint_sets():
        raise FileFormatError(
            f"there is no joint set {name!r}: there are {', '.join(available_joint_sets())}. "
            "Use one of these, or add a TOML file to skeleton/data."
        )
    return read_joint_set(_data_folder() / f"{name}.toml")


def read_joint_set(file: Traversable) -> JointSet:
    """Read the joint set of one TOML file (a `Path`, or a resource of a package).

    Raises
    ------
    FileFormatError
        If the file does not follow the format.
    """
    document = _parse(file)
    try:
        if document["format"] != FORMAT:
            raise ValueError(f"format is {document['format']!r}, needed {FORMAT!r}")
        if document["version"] != VERSION:
            raise ValueError(f"version is {document['version']!r}, this clapcap reads {VERSION}")
        if document["name"] != _stem(file):
            raise ValueError(f"name is {document['name']!r}, needed the file's stem {_stem(file)!r}")
        if unknown := sorted(set(document["edges"]) - set(SIDES)):
            raise ValueError(f"edges have the sides {unknown}, needed {', '.join(SIDES)}")
        return JointSet(
            name=document["name"],
            points=tuple(_text(point) for point in document["points"]),
            edges=tuple(Edge(*_pair(pair), side) for side in SIDES for pair in document["edges"].get(side, ())),
            left_right=tuple(_pair(pair) for pair in document["left_right"]),
            rigid=tuple(tuple(_text(point) for point in group) for group in document.get("rigid", ())),
            sources={
                source: {point: _weights(value) for point, value in table.items()}
                for source, table in document.get("from", {}).items()
            },
        )
    except KeyError as error:
        raise FileFormatError(f"{file} is not a joint set: the key {error} is missing.") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise FileFormatError(f"{file} is not a joint set: {error}.") from error


def map_keypoints2d(keypoints: Keypoints2D, to: JointSet) -> Keypoints2D:
    """Return the points of another set: weighted means of the points that `keypoints` has.

    A mean of projections is not quite the projection of the mean: the middle of two points is off by
    (difference of their depths) / (4 x depth) of their distance in the picture.

    Parameters
    ----------
    keypoints
        Points of a set from which `to` can be made, in any order; further points are ignored.
    to
        The set wanted.

    Returns
    -------
    Keypoints2D
        The points of `to`, in its order. NaN where any point that is needed is missing; the confidence is the least of
        the points that are needed, 0 where one is missing. `world_m` is mapped likewise.

    Raises
    ------
    FileFormatError
        If `to` cannot be made from the points that there are.
    """
    weights = _weights_between(keypoints.names, to)
    xy = _means(keypoints.xy_px, weights)
    confidence = np.where(np.isnan(xy).any(axis=-1), 0.0, _least(keypoints.confidence, weights))
    world = None if keypoints.world_m is None else _means(keypoints.world_m, weights)
    return Keypoints2D(to.points, xy, confidence, keypoints.time_s, keypoints.image_size_px, world)


def map_keypoints3d(keypoints: Keypoints3D, to: JointSet) -> Keypoints3D:
    """Return the points of another set: weighted means of the points that `keypoints` has.

    Parameters
    ----------
    keypoints
        Points of a set from which `to` can be made, in any order; further points are ignored.
    to
        The set wanted.

    Returns
    -------
    Keypoints3D
        The points of `to`, in its order. NaN where any point that is needed is missing, filled where any is filled.
        `sigma_m` is propagated as of independent errors: root of the sum of (weight x sigma)^2. `reprojection_px` is
        the weighted mean of the distances, an upper bound of the mean point's own distance as far as the projection is
        affine over the body.

    Raises
    ------
    FileFormatError
        If `to` cannot be made from the points that there are.
    """
    weights = _weights_between(keypoints.names, to)
    needed = (weights != 0).astype(np.float64)
    return Keypoints3D(
        names=to.points,
        xyz_m=_means(keypoints.xyz_m, weights),
        sigma_m=np.sqrt(_means(keypoints.sigma_m[..., None] ** 2, weights**2)[..., 0]),
        time_s=keypoints.time_s,
        reprojection_px=_means(keypoints.reprojection_px[..., None], np.abs(weights))[..., 0],
        camera_names=keypoints.camera_names,
        filled=keypoints.filled @ needed.T > 0,
        note=keypoints.note,
    )


def _weights_between(names: tuple[str, ...], to: JointSet) -> Array:
    """(points of `to`, names): the weights that make `to` of the fullest set whose points are all among `names`."""
    here = set(names)
    candidates = [to, *(load_joint_set(source) for source in to.sources)]
    complete = [candidate for candidate in candidates if here.issuperset(candidate.points)]
    if not complete:
        lacking = "; ".join(f"{c.name} lacks {', '.join(sorted(set(c.points) - here))}" for c in candidates)
        raise FileFormatError(
            f"the points of {to.name} cannot be made from the {len(names)} points that there are: {lacking}. "
            "Use keypoints of one of these sets, or declare a mapping in the set's TOML file."
        )
    source = max(complete, key=lambda candidate: len(candidate.points))
    declared = {} if source is to else to.sources[source.name]
    place = {name: index for index, name in enumerate(names)}
    weights = np.zeros((len(to.points), len(names)))
    for row, point in enumerate(to.points):
        for source_point, weight in declared.get(point, {point: 1.0}).items():
            if source_point not in source.points:
                raise FileFormatError(
                    f"joint set {to.name}, from.{source.name}: {point} needs {source_point!r}, "
                    f"which {source.name} does not have. Declare {point} by the points that it has."
                )
            weights[row, place[source_point]] = weight
    return weights


def _means(values: Array, weights: Array) -> Array:
    """Weighted sums over the points, (..., points, d) -> (..., targets, d); NaN where anything needed is NaN."""
    missing = np.isnan(values)
    sums = np.einsum("tp,...pd->...td", weights, np.where(missing, 0.0, values))
    lacking = np.einsum("tp,...pd->...td", (weights != 0).astype(np.float64), missing.astype(np.float64)) > 0
    means: Array = np.where(lacking, np.nan, sums)
    return means


def _least(confidence: Array, weights: Array) -> Array:
    """Return the least confidence among what each target needs: (frames, points) -> (frames, targets)."""
    least: Array = np.where(weights != 0, confidence[:, None, :], 1.0).min(axis=-1)
    return least


def _data_folder() -> Traversable:
    return resources.files("skeleton") / "data"


def _stem(file: Traversable) -> str:
    return file.name.removesuffix(".toml")


def _parse(file: Traversable) -> dict[str, Any]:
    try:
        document: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
        return document
    except OSError as error:
        raise FileFormatError(f"{file} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{file} is not a TOML file: {error}.") from error


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"a point's name is {value!r}, needed a text")
    return value


def _pair(value: object) -> tuple[str, str]:
    if not isinstance(value, list) or len(value) != 2:
        raise TypeError(f"{value!r} is not a pair of points")
    return _text(value[0]), _text(value[1])


def _weights(value: object) -> dict[str, float]:
    if isinstance(value, str):
        return {value: 1.0}
    if not isinstance(value, dict) or not all(type(weight) in (int, float) for weight in value.values()):
        raise TypeError(f"{value!r} is neither a point nor a table of points with weights")
    return {_text(point): float(weight) for point, weight in value.items()}
