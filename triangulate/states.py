"""Two states over time, told from noisy evidence: Viterbi's algorithm."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def most_likely_states(evidence: Array, switch_cost: Array) -> Bools:
    """Return the states that gather most evidence less the cost of changes.

    Source: A. Viterbi, "Error bounds for convolutional codes", 1967; G. Forney, "The Viterbi algorithm", 1973. With two
    states only the difference of their scores matters: it follows the evidence, and is cut to the cost of a change.

    Parameters
    ----------
    evidence
        (sequences, frames): speaks for state True where positive.
    switch_cost
        (frames,): what a change from the frame before to this one costs; negative: what staying costs.

    Returns
    -------
    Array
        (sequences, frames) of bool.
    """
    sequences, frames = evidence.shape
    # lead[t]: the score of True less that of False, after the evidence of frame t.
    lead = np.zeros((frames, sequences))
    steps = np.ascontiguousarray(evidence.T)
    score = np.zeros(sequences)
    for frame, cost in enumerate(switch_cost.tolist()):  # a recursion over time, all sequences at once
        if frame:
            carried = score if cost >= 0 else -score
            score = np.minimum(np.maximum(carried, -abs(cost)), abs(cost))
        score = score + steps[frame]
        lead[frame] = score
    states = np.zeros((frames, sequences), dtype=bool)
    if not frames:
        return states.T
    state = score > 0
    for frame in range(frames - 1, 0, -1):
        states[frame] = state
        before, cost = lead[frame - 1], switch_cost[frame]
        stayed = np.where(state, before >= -cost, before <= cost)
        state = state == stayed
    states[0] = state
    return states.T
