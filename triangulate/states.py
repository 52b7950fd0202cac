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
    costs = switch_cost.tolist()
    return np.array([_of_one(steps, costs) for steps in evidence.tolist()], dtype=bool).reshape(evidence.shape)


def _of_one(evidence: list[float], switch_cost: list[float]) -> list[bool]:
    """Return the states of one sequence. A recursion over time: plain numbers are faster than small arrays."""
    lead, score = [], 0.0  # of True over False, after the evidence of each frame
    for frame, (step, cost) in enumerate(zip(evidence, switch_cost, strict=True)):
        if frame:
            carried, most = (score, cost) if cost >= 0 else (-score, -cost)
            score = -most if carried < -most else most if carried > most else carried
        score += step
        lead.append(score)
    states = [score > 0] * len(lead)
    for frame in range(len(lead) - 1, 0, -1):
        before, cost = lead[frame - 1], switch_cost[frame]
        stayed = before >= -cost if states[frame] else before <= cost
        states[frame - 1] = states[frame] == stayed
    return states
