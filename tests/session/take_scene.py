"""A made-up take whose page is known beforehand: a walk on a circle, four cameras, and faults at known places."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from benchmarks.board_scenes import look_at
from calib.cameras import Camera, CameraGroup
from session.report.take_cameras import camera_cards
from session.report.take_findings import Sole, Source, TakeFindings
from session.report.take_numbers import joints_of
from session.report.take_words import TakeVerdict, take_verdict
from skeleton.hierarchy_file import load_skeleton
from skeleton.joint_sets import load_joint_set
from skeleton.keypoints import Keypoints3D, Observations2D
from skeleton.motion import Motion

Array = npt.NDArray[np.float64]

SIZE = (1280, 720)
SIGMA_M, SIGMA_PX, ERROR_PX = 0.006, 2.0, 1.5
FRAMES, RATE_HZ = 240, 60.0
OUT = slice(60, 120)  # camera 2 contradicts the others
AWAY = slice(0, 24)  # camera 3 does not see the person
SWAPPED = tuple(range(150, 156))  # left and right exchanged in camera 4
HIDDEN = slice(30, 110)  # the left wrist is seen by one camera, and its place is a guess
LOST = slice(200, 210)  # the right thumb has no place
JUMP, JUMP_M = 100, 0.3  # the right elbow stands out in one frame
NAMES = ("cam1", "cam2", "cam3", "cam4")


def cameras(names: tuple[str, ...] = NAMES) -> CameraGroup:
    """Return cameras on a circle of 4 m, looking at the middle of a body."""
    matrix = np.array([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]])
    group = []
    for place, name in enumerate(names):
        angle = 0.4 + place * np.pi / 2
        center = np.array([4 * np.cos(angle), 4 * np.sin(angle), 1.5])
        group.append(Camera(name, SIZE, matrix, np.zeros(5), look_at(center, np.array([0.0, 0.0, 0.9]))))
    return CameraGroup(tuple(group))


def walk(frames: int) -> Motion:
    """Return a body that goes round in a circle and swings its limbs."""
    skeleton = load_skeleton("humanoid")
    names = [joint.name for joint in skeleton.joints]
    parents = [-1 if joint.parent is None else names.index(joint.parent) for joint in skeleton.joints]
    time_s = np.arange(frames) / RATE_HZ
    turn = 2 * np.pi * time_s / 8
    local = np.tile([0.0, 0.0, 0.0, 1.0], (frames, len(names), 1))
    for place in range(1, len(names)):
        swing = 0.25 * np.sin(2 * np.pi * time_s / 1.6 + place)
        local[:, place] = Rotation.from_rotvec(np.outer(swing, [1.0, 0.0, 0.0])).as_quat()
    local[:, 0] = Rotation.from_rotvec(np.outer(turn, [0.0, 0.0, 1.0])).as_quat()
    root_m = np.stack([0.7 * np.cos(turn), 0.7 * np.sin(turn), np.full(frames, 0.95)], axis=1)
    offsets_m = np.array([joint.offset_m for joint in skeleton.joints])
    offsets_m[0] = 0
    return Motion(tuple(names), np.array(parents), offsets_m, local, root_m, time_s)


def landmarks() -> dict[str, list[str]]:
    """Return by joint the points on its bone."""
    found: dict[str, list[str]] = {}
    for mark in load_skeleton("humanoid").landmark_sets["blazepose33"].landmarks:
        found.setdefault(mark.joint, []).append(mark.name)
    return found


def points_of(motion: Motion) -> tuple[tuple[str, ...], Array]:
    """Return BlazePose's points, and where they are on a motion (frames, points, 3)."""
    position, rotation = motion.world_positions(), motion.world_rotations()
    marks = {mark.name: mark for mark in load_skeleton("humanoid").landmark_sets["blazepose33"].landmarks}
    names = load_joint_set("blazepose33").points
    joints = [motion.joint_names.index(marks[name].joint) for name in names]
    offsets = [np.array(marks[name].offset_m) for name in names]
    xyz = [position[:, j] + rotation[j].apply(offset) for j, offset in zip(joints, offsets, strict=True)]
    return names, np.stack(xyz, axis=1)


def soles(motion: Motion, **standing: npt.NDArray[np.bool_]) -> tuple[Sole, ...]:
    """Return joints of a motion as points of the soles, with when they stand."""
    position = motion.world_positions()
    return tuple(Sole(name, position[:, motion.joint_names.index(name)], mask) for name, mask in standing.items())


def take(frames: int = FRAMES, faults: bool = True, **changes: Any) -> TakeFindings:
    """Return findings whose numbers are those above; without faults, of a take in which all is well."""
    rng = np.random.default_rng(5)
    motion = walk(frames)
    names, xyz_m = points_of(motion)
    group = cameras()
    xy_px = group.project(xyz_m)
    error_px = rng.rayleigh(ERROR_PX / np.sqrt(2 * np.log(2)), xy_px.shape[:3])  # whose median is ERROR_PX
    sigma_px = np.full(error_px.shape, SIGMA_PX)
    sigma_m = np.full(xyz_m.shape[:2], SIGMA_M)
    filled = np.zeros(sigma_m.shape, dtype=bool)
    swapped: tuple[int, ...] = ()
    if faults:
        wrist, thumb, elbow = (names.index(name) for name in ("left_wrist", "right_thumb", "right_elbow"))
        sigma_px[1, OUT] = np.inf
        xy_px[2, AWAY], sigma_px[2, AWAY] = np.nan, np.inf
        sigma_px[1:, HIDDEN, wrist] = np.inf
        filled[HIDDEN, wrist], sigma_m[HIDDEN, wrist] = True, 0.08
        xyz_m[LOST, thumb], sigma_m[LOST, thumb] = np.nan, np.nan
        sigma_px[:, LOST, thumb] = np.inf
        xyz_m[JUMP, elbow] += [0.0, 0.0, JUMP_M]
        swapped = SWAPPED
    reports = {
        "triangulate": {"cameras": {name: {"swapped_frames": swapped if name == "cam4" else ()} for name in NAMES}},
        "fit": {"spread_before": 0.034},
    }
    made = TakeFindings(
        session="studio",
        take="dance",
        made="on 1 May 2026 at 10:00",
        command="clapcap process studio --take dance",
        keypoints=Keypoints3D(
            names, xyz_m, sigma_m, motion.time_s, np.where(np.isfinite(sigma_px), error_px, np.nan), NAMES, filled
        ),
        observations=Observations2D(NAMES, names, xy_px, sigma_px, motion.time_s),
        motion=motion,
        soles=(),
        landmarks=landmarks(),
        cameras=group,
        reports=reports,
        sources=(
            Source("Calibration", "good", ("Good to about 0.1 mm.",), "../calibration/report.html"),
            Source("Sync", "good", ("All 4 cameras are on one time line.",), "sync.html"),
        ),
        settings=[("clapcap", "0.1.0"), ("videos", "a&b.mp4 </td>")],
    )
    return replace(made, **changes)


class Reader(HTMLParser):
    """Gathers what a page holds: tags, addresses, and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def addresses(self) -> list[str]:
        keys = ("src", "href", "xlink:href", "action", "data", "poster", "srcset")
        return [attrs[key] or "" for _, attrs in self.tags for key in keys if key in attrs]


def judged(findings: TakeFindings) -> TakeVerdict:
    return take_verdict(findings, joints_of(findings), camera_cards(findings)[0])
