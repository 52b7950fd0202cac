"""Which pairs to believe: those that agree around circles."""

import numpy as np
import pytest

from sync.alignment import Alignment, PairAlignment
from sync.network import Line, connect, refusal


def pair(offset_s, coherence=(0.9, 0.9, 0.9), ratio=0.1, agreement=0.9):
    times = np.linspace(0, 10, len(coherence))
    best = Alignment(offset_s, 1.0, times + offset_s, times, np.array(coherence))
    return PairAlignment(best, (), ratio, agreement)


def test_lines_by_hand():
    # b = 2 + c, a = 1 + 2 b: a = 5 + 2 c.
    both = Line(1.0, 2.0).then(Line(2.0, 1.0))
    assert both == Line(5.0, 2.0)
    assert both.then(both.inverse) == Line(0.0, 1.0)


def test_three_cameras_that_agree():
    network = connect(["a", "b", "c"], {("a", "b"): pair(1.0), ("a", "c"): pair(3.0), ("b", "c"): pair(2.0)})
    assert network.reference == "a"
    assert network.to_reference["c"].offset_s == pytest.approx(3)
    assert network.rejected == ()


def test_the_weaker_pair_that_contradicts_is_thrown_out():
    weak = pair(2.5, (0.8, 0.6))
    network = connect(["a", "b", "c"], {("a", "b"): pair(1.0), ("a", "c"): pair(3.0), ("b", "c"): weak})
    assert network.rejected == (("b", "c"),)
    assert set(network.to_reference) == {"a", "b", "c"}


def test_a_camera_that_contradicts_all_others_is_left_out():
    pairs = {
        ("a", "b"): pair(1.0),
        ("a", "c"): pair(3.0),
        ("b", "c"): pair(2.0),
        ("a", "d"): pair(5.0),
        ("b", "d"): pair(7.0),
        ("c", "d"): pair(9.0),
    }
    assert set(connect(["a", "b", "c", "d"], pairs).to_reference) == {"a", "b", "c"}


def test_weak_pairs_confirm_each_other():
    weak = (0.65, 0.6)
    pairs = {("a", "b"): pair(1.0), ("a", "c"): pair(3.0, weak), ("b", "c"): pair(2.0, weak)}
    assert refusal(pairs["a", "c"]) == "weak"
    assert set(connect(["a", "b", "c"], pairs).to_reference) == {"a", "b", "c"}
    pairs["b", "c"] = pair(2.2, weak)
    assert set(connect(["a", "b", "c"], pairs).to_reference) == {"a", "b"}


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (pair(1.0), None),
        (pair(1.0, ratio=0.8), "ambiguous"),
        (pair(1.0, (0.55,)), "weak"),
        (pair(1.0, (0.9, 0.1, 0.1), agreement=0.3), "contradictory"),
        # A camera with many noises of its own, but five claps that agree.
        (pair(1.0, (0.95,) * 5, agreement=0.3), None),
    ],
)
def test_reasons_to_refuse(found, reason):
    assert refusal(found) == reason


def test_nothing_in_common():
    network = connect(["a", "b"], {("a", "b"): pair(1.0, ratio=1.0)})
    assert network.reference is None
    assert network.to_reference == {}
