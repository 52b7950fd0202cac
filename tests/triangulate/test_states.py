import numpy as np

from triangulate.states import most_likely_states


def best_by_trying(evidence, switch_cost):
    """Try all sequences of states."""
    frames = len(evidence)
    best, best_score = None, -np.inf
    for bits in range(2**frames):
        states = [(bits >> t) & 1 for t in range(frames)]
        score = sum(e for e, s in zip(evidence, states, strict=True) if s)
        score -= sum(c for c, a, b in zip(switch_cost[1:], states, states[1:], strict=False) if a != b)
        if score > best_score + 1e-12:
            best, best_score = states, score
    return best_score, best


def test_the_best_of_all_sequences_is_found(rng):
    for _ in range(30):
        evidence = rng.normal(size=9)
        switch_cost = rng.normal(scale=0.7, size=9)  # negative: staying costs
        states = most_likely_states(evidence[None], switch_cost)[0]
        score = evidence[states].sum() - switch_cost[1:][states[1:] != states[:-1]].sum()
        best_score, best = best_by_trying(evidence, switch_cost)
        assert score == best_score or np.isclose(score, best_score)
        assert states.tolist() == [bool(s) for s in best]


def test_weak_evidence_has_to_last():
    evidence = np.full((2, 10), -0.2)
    evidence[0, 4] = 0.3  # less than two changes cost
    evidence[1, 3:7] = 0.3
    states = most_likely_states(evidence, np.full(10, 0.4))
    assert not states[0].any()
    assert np.flatnonzero(states[1]).tolist() == [3, 4, 5, 6]
    assert most_likely_states(np.zeros((3, 0)), np.zeros(0)).shape == (3, 0)
