"""aniposelib's own triangulation on the same input, with the same kind of result, so that anyone can compare.

Source: P. Karashchuk et al., "Anipose: a toolkit for robust markerless 3D pose estimation", Cell Reports 36(13), 2021.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np

from calib.cameras import CameraGroup
from clapcap.errors import TriangulationError
from skeleton.keypoints import Keypoints2D
from triangulate.losses import SQUARES
from triangulate.pixel_noise import estimate_noise_px, observation_sigma_px
from triangulate.refine import evaluate_points
from triangulate.triangulate import TriangulationOptions, TriangulationResult, finish
from triangulate.views import gather_views

# The bones whose lengths aniposelib shall keep constant, where the points have them.
LIMB_BONES = (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
BONES = (
    *((f"{side}_{upper}", f"{side}_{lower}") for side in ("left", "right") for upper, lower in LIMB_BONES),
    ("left_shoulder", "right_shoulder"),
    ("left_hip", "right_hip"),
)
# Below this aniposelib does not optimise.
MIN_POINTS = 20


def triangulate_anipose(
    views: Mapping[str, Keypoints2D], cameras: CameraGroup, options: TriangulationOptions | None = None
) -> TriangulationResult:
    """Triangulate with aniposelib's `triangulate_optim`: reprojection, smoothness and constant bones, all at once.

    aniposelib gets the observations above the least confidence, the confidence as their scores, and the bones of
    `BONES`; left and right are not mended, no view is dropped: it has no such step. Positions where fewer than two
    views saw the point are its interpolation, and are left out. Covariances are those of independent points, by the
    same noise as for our own solver; they know nothing of aniposelib's smoothness.

    Parameters and errors are those of `triangulate.triangulate.triangulate`.
    """
    options = options or TriangulationOptions()
    given = gather_views(views, cameras)
    noise = estimate_noise_px(given.cameras, given.xy_px, given.confidence)
    sigma = observation_sigma_px(given.confidence, noise)
    observed = np.isfinite(given.xy_px).all(axis=-1) & np.isfinite(sigma)
    used = observed & (observed.sum(axis=0) >= 2)
    frames, points = used.shape[1:]
    if used.any(axis=0).sum() < MIN_POINTS:
        raise TriangulationError(
            f"{int(used.any(axis=0).sum())} points were seen by two cameras or more, aniposelib needs {MIN_POINTS}: "
            "check the offsets (clapcap sync) and that the cameras film the same space."
        )
    place = {name: i for i, name in enumerate(given.names)}
    bones = [[place[a], place[b]] for a, b in BONES if a in place and b in place]
    seen_points = np.flatnonzero(used.any(axis=(0, 1)))  # aniposelib does not bear a point that is never seen
    bones = [np.searchsorted(seen_points, bone).tolist() for bone in bones if np.isin(bone, seen_points).all()]
    group = given.cameras.to_anipose()
    with warnings.catch_warnings():
        # numba tells on every first call that it cannot compile aniposelib's methods.
        warnings.simplefilter("ignore")
        xyz = np.full((frames, points, 3), np.nan)
        xyz[:, seen_points] = group.triangulate_optim(
            np.where(used[..., None], given.xy_px, np.nan)[:, :, seen_points],
            constraints=bones,
            scores=given.confidence[:, :, seen_points],
        )
    xyz[~used.any(axis=0)] = np.nan
    flat = len(given.cameras), frames * points
    solved = evaluate_points(
        given.cameras,
        given.xy_px.reshape(*flat, 2),
        np.where(used, sigma, np.inf).reshape(flat),
        xyz.reshape(-1, 3),
        SQUARES,
    )
    used &= np.isfinite(solved.xyz_m).all(axis=-1).reshape(frames, points)
    swapped = np.zeros((len(given.cameras), frames), dtype=bool)
    return finish(given, solved, used, sigma, noise, swapped, options.max_sigma_m, "anipose")
