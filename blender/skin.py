"""The skin that follows the bones: weights by distance, and dual quaternion blending.

Source: L. Kavan, S. Collins, J. Zara, C. O'Sullivan, "Skinning with dual quaternions", I3D 2007.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.spatial.transform import Rotation

Array = npt.NDArray[np.float64]


def smooth_weights(weights: Array, faces: npt.NDArray[np.int64], rounds: int) -> Array:
    """Average each vertex's weights (vertices, bones) with its neighbours', `rounds` times, and make them sum to 1."""
    count = len(weights)
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = sparse.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count)).tocsr()
    edges = ((edges + edges.T) > 0).astype(np.float64)
    mean = sparse.diags(1.0 / np.maximum(np.asarray(edges.sum(axis=1)).ravel(), 1.0)) @ edges
    for _ in range(rounds):
        weights = 0.5 * weights + 0.5 * (mean @ weights)
    normalised: Array = weights / weights.sum(axis=1, keepdims=True)
    return normalised


def blend(vertices_m: Array, weights: Array, rotation: Rotation, shift_m: Array) -> Array:
    """Move vertices by their bones.

    Parameters
    ----------
    vertices_m
        (vertices, 3), at rest.
    weights
        (vertices, bones), each row sums to 1.
    rotation, shift_m
        (bones,) and (bones, 3): each bone takes a resting point p to rotation @ p + shift_m.

    Returns
    -------
    (vertices, 3), metres.
    """
    real = rotation.as_quat()  # x, y, z, w
    v, w = real[:, :3], real[:, 3:]
    # The dual part is half the product of the translation, as a pure quaternion, and the rotation.
    dual = 0.5 * np.concatenate([w * shift_m + np.cross(shift_m, v), -(shift_m * v).sum(axis=1, keepdims=True)], axis=1)
    # q and -q are one rotation: take every bone's sign nearest to that of the vertex's strongest bone.
    sign = np.where(real @ real.T < 0, -1.0, 1.0)[weights.argmax(axis=1)]
    blended_real, blended_dual = (weights * sign) @ real, (weights * sign) @ dual
    norm = np.linalg.norm(blended_real, axis=1, keepdims=True)
    blended_real, blended_dual = blended_real / norm, blended_dual / norm
    v, w = blended_real[:, :3], blended_real[:, 3:]
    d, e = blended_dual[:, :3], blended_dual[:, 3:]
    turned = vertices_m + 2 * np.cross(v, np.cross(v, vertices_m) + w * vertices_m)
    moved: Array = turned + 2 * (w * d - e * v + np.cross(v, d))
    return moved
