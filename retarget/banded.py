"""The normal equations of a window, in LAPACK's banded form, and their solution."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, solveh_banded

from retarget.kinematics import ROOT_DOFS
from retarget.smoothness import PoseTerms

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def normal_equations(hessian: Array, terms: PoseTerms, free: Mask) -> Array:
    """Return the normal equations' matrix in LAPACK's lower banded form, transposed: (frames * dofs, 2 * dofs + 3).

    Element [i, k] is the matrix's (i + k, i). The unknowns are ordered by frame; frames are linked to the next two,
    each degree of freedom to itself or, in the root's rotation, to one of three. Unknowns that are not `free` (frames,
    dofs) have a row and column of the identity.
    """
    frames, dofs = free.shape
    banded = np.zeros((frames, dofs, 2 * dofs + 3))
    row, column = np.tril_indices(dofs)
    block = hessian[:, row, column]
    block[:, row == column] += terms.same
    banded[:, column, row - column] = block
    banded[:, :, dofs] = terms.next_
    banded[:, :, 2 * dofs] = terms.after_next
    first = ROOT_DOFS - 3
    for i in range(3):
        for j in range(3):
            if i >= j:
                banded[:, first + j, i - j] += terms.rotation[0, :, i, j]
            banded[:, first + j, dofs + i - j] = terms.rotation[1, :, i, j]
            banded[:, first + j, 2 * dofs + i - j] = terms.rotation[2, :, i, j]
    equations = banded.reshape(frames * dofs, -1)
    flat = free.ravel()
    if not flat.all():
        width = equations.shape[1]
        equations *= np.lib.stride_tricks.sliding_window_view(np.pad(flat, (0, width - 1)), width)
        equations[~flat] = 0.0
        equations[~flat, 0] = 1.0
    return equations


def solve_step(equations: Array, downhill: Array, damping: Array) -> Array:
    """Solve for the step (frames, dofs), with each frame's diagonal raised by a share `damping` (frames,).

    More than that where the matrix is not definite.
    """
    dofs = downhill.shape[1]
    while True:
        damped = equations.copy()
        damped[:, 0] *= np.repeat(1.0 + damping, dofs)
        try:
            step = solveh_banded(damped.T, downhill.ravel(), lower=True, overwrite_ab=True, check_finite=False)
        except LinAlgError:
            damping = np.maximum(10 * damping, 1e-6)
            continue
        result: Array = step.reshape(downhill.shape)
        return result
