"""What speaks for one way to lay tracks over each other and for no other."""

import numpy as np
import pytest

from sync.alignment import Alignment, unshared_evidence

# Two onsets of a long track at 10 and 30 s, two of a short one. In either alignment the short track covers one of the
# long track's onsets, the other lies outside of it.
NONE = np.nan


def covering(long_s, coherence):
    first_s = np.where(np.isnan(coherence), NONE, [10.0, 30.0, long_s, long_s + 2.0])
    return Alignment(long_s - 1.0, 1.0, first_s, np.full(4, 1.0), np.array(coherence))


def test_a_beat_that_the_short_track_has_everywhere_decides_nothing():
    # The short track's first onset is as much like the beat at 10 s as like that at 30 s.
    both = [covering(10.0, [0.99, NONE, 0.99, 0.1]), covering(30.0, [NONE, 0.99, 0.99, 0.1])]
    for alone in unshared_evidence(both, 2):
        np.testing.assert_array_equal(alone, 0)


def test_a_clap_that_the_short_track_has_once_does():
    right, wrong = covering(10.0, [0.95, NONE, 0.95, 0.1]), covering(30.0, [NONE, 0.2, 0.2, 0.1])
    alone = unshared_evidence([right, wrong], 2)
    assert alone[0] == pytest.approx([right.evidence[0], 0, right.evidence[2], 0])
    np.testing.assert_array_equal(alone[1], 0)


def test_without_an_onset_at_the_other_track_it_may_repeat():
    # The long track's onset at 10 s is found where the short track has no onset of its own.
    alone = unshared_evidence([covering(20.0, [0.95, NONE, 0.1, 0.1])], 2)
    np.testing.assert_array_equal(alone[0], 0)
