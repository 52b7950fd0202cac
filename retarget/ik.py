"""Inverse kinematics of a take: from points in space to the motion of a skeleton of constant bones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from clapcap.errors import FitError
from clapcap.progress import Progress, silent
from retarget.bones import fit_shape, measure_bones, overall_scale
from retarget.contact import Contacts, find_contacts
from retarget.initial import initial_poses
from retarget.kinematics import Kinematics, Poses, attached, joint_angles
from retarget.observations import Observations, observe
from retarget.persistence import INFERRED, persistence
from retarget.pixels import PixelViews, reprojection_errors_px
from retarget.uncertainty import joint_sigma_m
from retarget.whole_take import CONVERGED, TakeProblem, solve_take
from skeleton.hierarchy import SkeletonDefinition
from skeleton.keypoints import Keypoints3D
from skeleton.motion import Motion

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_MIN_FRAMES = 3
"""Frames with three landmarks of the torso that a fit needs; a shorter take needs all of its frames."""

_MIN_LANDMARK_SHARE = 0.25
"""Of the joint set's landmarks, so many must be seen in some frame: the torso and two limbs, say."""

_HELD_M = 0.005
"""A point that stands is held within so much of its place, after so many rounds at most of finding the place."""
_ROUNDS = 3

_ROUGHLY = 0.02
"""Convergence of fits that only lead to the next, and of those to inferred points, which are less sure than that."""

_LIMIT_TOLERANCE_RAD = 1e-6
"""Angles are read back from unit quaternions; this is far above their rounding."""


@dataclass(frozen=True, eq=False)
class Inferred:
    """What a fit to one view is told, as one view does not show it.

    Attributes
    ----------
    height_m
        The subject's height.
    standing
        (frames, 2): how probably the left and the right foot stand, in [0, 1].
    """

    height_m: float
    standing: Array


@dataclass(frozen=True, eq=False)
class FitReport:
    """What the fit found, and how well the motion follows the points.

    Attributes
    ----------
    bone_length_m
        Every bone by the joint at which it ends, constant over the take.
    measured_length_m, bone_spread_before
        Bones between two observed joints, by the joint at which they start: weighted median of the observed distances,
        and their standard deviation / mean. NaN: the bone was not seen (twice).
    spread_after
        The same spread of the motion's bones, mean over them: rounding.
    landmark_residual_m
        By landmark, root mean square distance between observed point and motion over the frames that show it.
    residual_m, residual_median_m
        Mean and median of the distances of all observed points.
    reprojection_px, reprojection_median_px
        Mean and median distance of the motion's landmarks from what the views show of them; None without views.
    outlier_share
        Share of the data, views or points, to which the robust loss gave less than a tenth of their weight.
    limits_kept_share
        Share of the frames in which every joint is within its limits.
    at_limit_share
        By joint, share of the frames in which one of its angles stands at a limit; only joints where that happens.
    floor_m, floor_from
        The floor's height in the world, None if there is none; what told it: calibration, feet or nothing.
    contact_spans_s
        By point of a foot, the times from and to which it stands on the ground.
    skating_m, sinking_m
        The farthest that a point strays from its place while it stands, and that any goes below the floor; 0 without.
    inferred_share
        By joint, share of the frames in which nothing of it was seen; only joints where that happens.
    data_share, lasting_share
        How long the errors of the views last: see `persistence`.
    filled
        (frames,) of bool: no landmark of the skeleton was seen, the pose is bridged, or held at the take's ends.
    steps, converged
        Steps of the solver's slowest window, and whether all windows reached their minimum.
    """

    bone_length_m: Mapping[str, float]
    measured_length_m: Mapping[str, float]
    bone_spread_before: Mapping[str, float]
    spread_after: float
    landmark_residual_m: Mapping[str, float]
    residual_m: float
    residual_median_m: float
    reprojection_px: float | None
    reprojection_median_px: float | None
    outlier_share: float
    limits_kept_share: float
    at_limit_share: Mapping[str, float]
    floor_m: float | None
    floor_from: str
    contact_spans_s: Mapping[str, tuple[tuple[float, float], ...]]
    skating_m: float
    sinking_m: float
    inferred_share: Mapping[str, float]
    data_share: float
    lasting_share: float
    filled: Mask
    steps: int
    converged: bool

    @property
    def spread_before(self) -> float:
        """Mean of `bone_spread_before` over the bones seen; NaN if none was."""
        seen = [s for s in self.bone_spread_before.values() if np.isfinite(s)]
        return float(np.mean(seen)) if seen else float("nan")


@dataclass(frozen=True, eq=False)
class FitResult:
    """A motion, frame by frame on the keypoints' own times, and how it was found."""

    motion: Motion
    report: FitReport


def fit_motion(
    keypoints: Keypoints3D,
    skeleton: SkeletonDefinition,
    joint_set: str = "blazepose33",
    progress: Progress = silent,
    *,
    pixels: PixelViews | None = None,
    floor_m: float | None = None,
    inferred: Inferred | None = None,
) -> FitResult:
    """Fit a skeleton to a take: the subject's bone lengths, then joint rotations and root motion of all frames at once.

    Every frame of the keypoints has a pose in the motion. Where points are missing, and where a whole frame is,
    smoothness and the neutral pose bridge the gap. Before the first frame and after the last that show anything, the
    first and the last pose are held; `FitReport.filled` marks them.

    Parameters
    ----------
    keypoints
        Points in the world, metres. `sigma_m` weights them; points marked as filled are not used.
    skeleton
        The skeleton to solve for.
    joint_set
        Which of the skeleton's landmark sets names the keypoints; other points are ignored, missing ones are unseen.
    progress
        Told frames done of twice the frames: the first half is the shape, the second the poses.
    pixels
        What the views show, and their cameras. Where a view shows a landmark, the fit is on the pixels, and the
        keypoints are only where it starts; without, or where none does, it is on the keypoints.
    floor_m
        The height of the floor in the world, if it is known; otherwise it is found from where feet stand.
    inferred
        The keypoints were inferred from one view, not measured by several: they are data beside the pixels.

    Raises
    ------
    FitError
        The skeleton has no such joint set, too little of the body is seen (the message counts what was), or keypoints
        and views do not belong together.
    """
    if joint_set not in skeleton.landmark_sets:
        known = ", ".join(sorted(skeleton.landmark_sets)) or "none"
        raise FitError(
            f"skeleton {skeleton.name}: no landmarks for the joint set {joint_set!r}, only for: {known}; "
            f"add a table [landmarks.{joint_set}] to its TOML file"
        )
    # Thousands of small matrices: threads of the BLAS cost more than they bring, up to tenfold on a busy machine.
    with threadpool_limits(limits=1, user_api="blas"):
        return _fit(keypoints, skeleton, joint_set, progress, pixels, floor_m, inferred)


def _fit(
    keypoints: Keypoints3D,
    skeleton: SkeletonDefinition,
    joint_set: str,
    progress: Progress,
    pixels: PixelViews | None,
    floor_m: float | None,
    inferred: Inferred | None,
) -> FitResult:
    kinematics = Kinematics(skeleton, joint_set)
    observed = observe(keypoints, kinematics, pixels, points_count=inferred is not None)
    _check_seen(kinematics, observed)
    frames = len(keypoints.time_s)
    shown = np.flatnonzero(observed.seen.any(axis=1))
    span = slice(int(shown[0]), int(shown[-1]) + 1)
    time_s, inside = keypoints.time_s[span], observed[span]
    bones = measure_bones(kinematics, inside)
    height_m = None if inferred is None else inferred.height_m
    lasts = persistence(inside, time_s) if inferred is None else INFERRED
    scale = overall_scale(kinematics, bones) if height_m is None else height_m / skeleton.height_m
    start = initial_poses(kinematics, inside, kinematics.rest_shape(scale), time_s)
    looks = lasts.looks(len(time_s), float(time_s[-1] - time_s[0]))
    fit = fit_shape(
        kinematics,
        inside,
        start,
        bones,
        looks,
        progress=lambda done, total: progress(frames * done // (total or 1), 2 * frames),
        height_m=height_m,
    )
    problem = TakeProblem(kinematics, fit.shape, inside, time_s, lasts.data_share)
    half = frames / 2
    enough = CONVERGED if inferred is None else _ROUGHLY
    solution = solve_take(problem, start, lambda done, _: progress(frames + int(done / 2), 2 * frames), enough)
    likely = None if inferred is None else _likely(kinematics, inferred.standing[span])
    contacts = _contacts(problem, solution.poses, scale, floor_m, likely)
    if contacts.standing.any() or contacts.floor_m is not None:
        ground = contacts.ground(kinematics.contact_joint, scale * kinematics.contact_m)
        levels = contacts.levels(ground)
        fit = fit_shape(kinematics, inside, solution.poses, bones, looks, levels, fit, height_m=height_m)
        problem = replace(problem, shape=fit.shape)
        flat = solve_take(replace(problem, ground=levels), solution.poses, converged=_ROUGHLY)
        contacts, steps = contacts.at(_soles(problem, flat.poses, scale)), solution.steps
        # Places of a foot's points must fit the foot: those where a first solution puts them do.
        for _ in range(_ROUNDS):
            ground = contacts.ground(kinematics.contact_joint, scale * kinematics.contact_m)
            problem = replace(problem, ground=ground)
            solution = solve_take(
                problem, flat.poses, lambda done, _: progress(frames + int(half + done / 2), 2 * frames), enough
            )
            steps, flat = max(steps, solution.steps), solution
            soles = _soles(problem, solution.poses, scale)
            if contacts.held(soles)[0] < _HELD_M / 2:
                break
            contacts = contacts.at(soles)
        contacts = contacts.kept(soles, _HELD_M)
        solution = replace(solution, steps=steps)
    inside_frame = np.clip(np.arange(frames) - span.start, 0, span.stop - span.start - 1)
    inside_take = np.arange(frames) == inside_frame + span.start
    poses = solution.poses[inside_frame]
    progress(2 * frames, 2 * frames)
    motion = Motion(
        joint_names=skeleton.joint_names,
        parents=skeleton.parents,
        rest_offset_m=fit.shape.offset_m,
        rotation_xyzw=kinematics.local_quaternions(poses),
        root_m=poses.root_m,
        time_s=keypoints.time_s,
        sigma_m=joint_sigma_m(problem, solution.poses, fit, lasts.lasting)[inside_frame],
        inferred=_inferred(kinematics, observed.seen),
        contact_names=contacts.names,
        contact=contacts.standing[inside_frame] & inside_take[:, None],
    )
    kept, at_limit = _limits(skeleton, motion)
    landmark_m = kinematics.place(poses, fit.shape, with_axes=False).landmark_m
    skating_m, sinking_m = contacts.held(_soles(problem, solution.poses, scale))
    distance = np.linalg.norm(np.where(observed.located[..., None], landmark_m - observed.xyz_m, 0.0), axis=-1)
    outlier_share = observed.outlier_share(landmark_m)
    error_px = np.zeros(0) if pixels is None else reprojection_errors_px(pixels, kinematics.landmarks, landmark_m)
    report = FitReport(
        bone_length_m={
            j.name: float(np.linalg.norm(fit.shape.offset_m[k]))
            for k, j in enumerate(skeleton.joints)
            if j.parent is not None
        },
        measured_length_m=dict(zip(bones.names, bones.length_m.tolist(), strict=True)),
        bone_spread_before=dict(zip(bones.names, bones.spread.tolist(), strict=True)),
        landmark_residual_m={
            name: float(np.sqrt(np.mean(distance[observed.located[:, k], k] ** 2)))
            for k, name in enumerate(kinematics.landmarks)
            if observed.located[:, k].any()
        },
        spread_after=_spread(motion),
        residual_m=float(distance[observed.located].mean()),
        residual_median_m=float(np.median(distance[observed.located])),
        reprojection_px=None if pixels is None else float(error_px.mean()),
        reprojection_median_px=None if pixels is None else float(np.median(error_px)),
        outlier_share=outlier_share,
        limits_kept_share=kept,
        at_limit_share=at_limit,
        floor_m=contacts.floor_m,
        floor_from=contacts.floor_from,
        contact_spans_s=contacts.spans_s(time_s),
        skating_m=skating_m,
        sinking_m=sinking_m,
        inferred_share=_shares(skeleton.joint_names, motion.inferred),
        data_share=lasts.data_share,
        lasting_share=lasts.lasting,
        filled=~observed.seen.any(axis=1),
        steps=solution.steps,
        converged=solution.converged,
    )
    return FitResult(motion, report)


def _shares(names: tuple[str, ...], mask: Mask | None) -> dict[str, float]:
    """Return by name the share of the frames in which a mask (frames, names) holds, where it ever does."""
    if mask is None:
        return {}
    return {name: float(s) for name, s in zip(names, mask.mean(axis=0), strict=True) if s > 0}


def _soles(problem: TakeProblem, poses: Poses, scale: float) -> Array:
    """Return where the points that may stand are: (frames, contacts, 3), world, metres."""
    kinematics = problem.kinematics
    placed = kinematics.place(poses, problem.shape, with_axes=False)
    return attached(placed.joint_m, placed.matrix, kinematics.contact_joint, scale * kinematics.contact_m)


def _likely(kinematics: Kinematics, standing: Array) -> Array:
    """Return how probably each point that may stand does (frames, contacts), from the feet's (frames, 2)."""
    foot = [0 if name.startswith("left_") else 1 if name.startswith("right_") else 2 for name in kinematics.contacts]
    of_feet: Array = np.concatenate([standing, np.full((len(standing), 1), 0.5)], axis=1)[:, foot]
    return of_feet


def _contacts(
    problem: TakeProblem, poses: Poses, scale: float, floor_m: float | None, likely: Array | None
) -> Contacts:
    """Find where the feet stand in a first fit."""
    kinematics = problem.kinematics
    placed = kinematics.place(poses, problem.shape, with_axes=False)
    points = _soles(problem, poses, scale)
    # A foot is seen while something that hangs on its bone, or on the next, is.
    near = kinematics.ancestor[kinematics.parents[kinematics.contact_joint]][:, kinematics.landmark_joint]
    shown = (problem.observed.seen.astype(np.float64) @ near.T.astype(np.float64)) > 0
    lowest = placed.joint_m[..., 2].min(axis=0)
    return find_contacts(kinematics.contacts, points, lowest, shown, problem.time_s, floor_m, likely)


def _inferred(kinematics: Kinematics, seen: Mask) -> Mask:
    """Return (frames, joints), of which joints nothing was seen, nor of what hangs on them.

    A joint without landmarks beyond it, such as the head's end, is seen where its parent is.
    """
    hangs = kinematics.ancestor[:, kinematics.landmark_joint]
    inferred: Mask = (seen.astype(np.float64) @ hangs.T.astype(np.float64)) == 0
    for joint in np.flatnonzero(~hangs.any(axis=1)):
        inferred[:, joint] = inferred[:, kinematics.parents[joint]]
    return inferred


def _check_seen(kinematics: Kinematics, observed: Observations) -> None:
    seen = observed.located
    torso = [kinematics.landmarks.index(n) for n in kinematics.landmark_set.torso]
    frames = int((seen[:, torso].sum(axis=1) >= 3).sum())
    needed_frames = max(1, min(_MIN_FRAMES, len(seen)))
    landmarks, needed = int(seen.any(axis=0).sum()), int(np.ceil(_MIN_LANDMARK_SHARE * seen.shape[1]))
    if frames < needed_frames:
        raise FitError(
            f"{frames} of {len(seen)} frames show three of {', '.join(kinematics.landmark_set.torso)}, needed "
            f"{needed_frames}: check that the person is seen by two cameras, and that sync and calibration are right"
        )
    if landmarks < needed:
        raise FitError(
            f"{landmarks} of the {seen.shape[1]} points of {kinematics.landmark_set.name} were ever seen, "
            f"needed {needed}: check that the keypoints belong to this joint set"
        )


def _limits(skeleton: SkeletonDefinition, motion: Motion) -> tuple[float, dict[str, float]]:
    """Return the share of frames within all limits, read back from the motion, and by joint the share at a limit."""
    angles = joint_angles(skeleton, motion.rotation_xyzw)[:, 1:]
    low, high = skeleton.limits_rad[1:, :, 0], skeleton.limits_rad[1:, :, 1]
    within = (angles >= low - _LIMIT_TOLERANCE_RAD) & (angles <= high + _LIMIT_TOLERANCE_RAD)
    at = ((angles <= low + _LIMIT_TOLERANCE_RAD) | (angles >= high - _LIMIT_TOLERANCE_RAD)) & (low < high)
    share = at.any(axis=2).mean(axis=0)
    by_joint = {name: float(s) for name, s in zip(skeleton.joint_names[1:], share, strict=True) if s > 0}
    return float(within.all(axis=(1, 2)).mean()), by_joint


def _spread(motion: Motion) -> float:
    """Return standard deviation / mean of the motion's bone lengths, mean over the bones: what rounding leaves."""
    position = motion.world_positions()
    length = np.linalg.norm(position[:, 1:] - position[:, motion.parents[1:]], axis=-1)
    long = length.mean(axis=0) > 0
    return float((length.std(axis=0)[long] / length.mean(axis=0)[long]).mean()) if long.any() else 0.0
