"""Each filter against scipy and answers known beforehand; what all of them owe to gaps, ends and uneven time stamps."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d, median_filter
from scipy.signal import butter, savgol_filter, sosfiltfilt

from clapcap.errors import CleanupError
from retarget.cleanup.butterworth import butterworth
from retarget.cleanup.filters import FILTERS, bridges_gaps, check_parameters, parameters_of
from retarget.cleanup.gaussian import gaussian
from retarget.cleanup.kalman import jitter, kalman_smoother
from retarget.cleanup.median import median
from retarget.cleanup.one_euro import one_euro, one_euro_pass
from retarget.cleanup.savitzky_golay import savitzky_golay

RATE_HZ = 60.0
LINEAR = ("butterworth", "savitzky-golay", "gaussian", "kalman")


def wave(frequency_hz, time_s):
    return np.sin(2 * np.pi * frequency_hz * time_s)[:, None, None] * np.ones(3)


def path(time_s):
    """A smooth path like a hand's, below 3 Hz."""
    return np.stack([0.3 * np.sin(7 * time_s), 0.15 * np.cos(11 * time_s), 0.3 * time_s], axis=-1)[:, None]


@pytest.fixture
def time_s():
    return np.arange(300) / RATE_HZ


def every(name):
    return lambda values, at_s, sigma=None: FILTERS[name](values, at_s, sigma)


@pytest.mark.parametrize("name", FILTERS)
def test_what_stands_still_and_what_moves_straight_stay(name, time_s):
    still = np.full((300, 2, 3), 1.25)
    np.testing.assert_allclose(every(name)(still, time_s), still, atol=1e-9)
    straight = time_s[:, None, None] * np.array([1.0, -2.0, 0.5]) + 3.0
    if name != "one-euro":  # which follows a ramp at a distance that only its middle makes up for
        np.testing.assert_allclose(every(name)(straight, time_s, np.full((300, 1), 0.01)), straight, atol=1e-4)


@pytest.mark.parametrize("name", FILTERS)
def test_time_may_run_backwards(name, time_s):
    # No lag: a filter without a direction gives the mirrored path of the mirrored path. The Kalman smoother's start is
    # a guess that one end has and the other not; the 1-euro filter's second pass runs on what the first has smoothed.
    rng = np.random.default_rng(1)
    values = path(time_s) + 0.01 * rng.standard_normal((300, 1, 3))
    there = every(name)(values, time_s, np.full((300, 1), 0.01))
    back = every(name)(values[::-1], time_s, np.full((300, 1), 0.01))[::-1]
    if name == "one-euro":
        np.testing.assert_allclose(there, back, atol=0.015)
    else:
        np.testing.assert_allclose(there[30:-30], back[30:-30], atol=1e-5)


@pytest.mark.parametrize("name", LINEAR)
def test_a_peak_stays_where_it_is(name, time_s):
    bump = np.exp(-0.5 * ((time_s - 2.5) / 0.1) ** 2)[:, None, None] * np.ones(3)
    smooth = every(name)(bump, time_s, np.full((300, 1), 0.01))
    assert smooth[:, 0, 0].argmax() == bump[:, 0, 0].argmax() == 150
    np.testing.assert_allclose(smooth[140:150], smooth[160:150:-1], atol=1e-6)


@pytest.mark.parametrize("name", FILTERS)
def test_noise_grows_less_and_ends_are_no_worse_than_unfiltered(name, time_s):
    rng = np.random.default_rng(2)
    noise = 0.01 * rng.standard_normal((300, 200, 3))
    truth = path(time_s)
    error = every(name)(truth + noise, time_s, np.full((300, 200), 0.01)) - truth
    assert np.sqrt(np.mean(error**2)) < 0.9 * 0.01
    for end in (0, 1, 2, -3, -2, -1):
        assert np.sqrt(np.mean(error[end] ** 2)) < 1.05 * 0.01


@pytest.mark.parametrize("name", FILTERS)
def test_each_stretch_is_filtered_for_itself_and_gaps_stay(name, time_s):
    rng = np.random.default_rng(3)
    values = path(time_s) + 0.01 * rng.standard_normal((300, 2, 3))
    gappy = values.copy()
    gappy[100:120, 0] = np.nan
    gappy[:5, 1] = np.nan
    smooth = every(name)(gappy, time_s)
    np.testing.assert_array_equal(np.isnan(smooth), np.isnan(gappy))
    if name != "kalman":  # whose jitter, standing in for the deviation, is that of the whole track
        for frames, track in ((slice(0, 100), 0), (slice(120, 300), 0), (slice(5, 300), 1)):
            alone = every(name)(values[frames, [track]], time_s[frames])
            np.testing.assert_allclose(smooth[frames, [track]], alone, atol=1e-12)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 7])
def test_stretches_of_few_frames_come_back(name, frames):
    values = np.arange(frames * 3.0).reshape(frames, 1, 3)
    smooth = every(name)(values, np.arange(frames) / 30)
    assert smooth.shape == values.shape
    assert np.isfinite(smooth).all()
    assert np.abs(smooth - values).max() < 3.0


@pytest.mark.parametrize("name", FILTERS)
def test_uneven_time_stamps_count(name):
    # The same path and noise level, sampled unevenly: the result is as near to the truth as on even steps.
    rng = np.random.default_rng(4)
    even_s = np.arange(400) / RATE_HZ
    uneven_s = even_s + rng.uniform(-0.3, 0.3, 400) / RATE_HZ
    errors = []
    for at_s in (even_s, uneven_s):
        truth = path(at_s)
        smooth = every(name)(truth + 0.01 * rng.standard_normal((400, 50, 3)), at_s, np.full((400, 50), 0.01))
        errors.append(np.sqrt(np.mean((smooth - truth) ** 2)))
    assert errors[1] < 1.25 * errors[0]
    # Read as if it were even, the path itself is off by up to 0.3 of a frame.
    if name in LINEAR:
        clean = every(name)(path(uneven_s), uneven_s, np.full((400, 1), 1e-3))
        assert np.abs(clean - path(uneven_s))[10:-10].max() < 0.5 * np.abs(path(uneven_s) - path(even_s)).max()


def test_missing_rows_are_no_neighbours():
    # Frames that are not in the table at all: half a second is missing, the point is elsewhere afterwards.
    at_s = np.concatenate([np.arange(60), np.arange(90, 150)]) / RATE_HZ
    values = np.where(at_s < 1.2, 0.0, 1.0)[:, None, None] * np.ones(3)
    for name in FILTERS:
        np.testing.assert_allclose(every(name)(values, at_s), values, atol=1e-9)


def test_butterworth_is_scipys_with_winters_cutoff(time_s):
    rng = np.random.default_rng(5)
    values = path(time_s) + 0.01 * rng.standard_normal((300, 1, 3))
    factor = np.sqrt(np.sqrt(2) - 1) ** 0.5  # 0.802, for two passes of second order
    each_hz = np.arctan(np.tan(np.pi * 6 / RATE_HZ) / factor) * RATE_HZ / np.pi
    assert each_hz == pytest.approx(6 / 0.802, rel=0.02)
    theirs = sosfiltfilt(butter(2, each_hz, fs=RATE_HZ, output="sos"), values, axis=0)
    np.testing.assert_allclose(butterworth(values, time_s, cutoff_hz=6)[40:-40], theirs[40:-40], atol=1e-6)


@pytest.mark.parametrize("order", [2, 4, 8])
@pytest.mark.parametrize("cutoff_hz", [3.0, 12.0, 25.0])
def test_a_wave_at_the_cutoff_keeps_half_of_its_power(cutoff_hz, order):
    time_s = np.arange(1200) / RATE_HZ
    for smooth in (
        butterworth(wave(cutoff_hz, time_s), time_s, cutoff_hz=cutoff_hz, order=order),
        *([gaussian(wave(cutoff_hz, time_s), time_s, cutoff_hz=cutoff_hz)] if cutoff_hz < 10 else []),
    ):
        assert np.sqrt(2 * np.mean(smooth[300:-300] ** 2)) == pytest.approx(2**-0.5, rel=0.01)


def test_gaussian_is_scipys(time_s):
    rng = np.random.default_rng(6)
    values = rng.standard_normal((300, 2, 3))
    width = np.sqrt(np.log(2)) / (2 * np.pi * 5) * RATE_HZ
    theirs = gaussian_filter1d(values, width, axis=0)
    np.testing.assert_allclose(gaussian(values, time_s, cutoff_hz=5)[20:-20], theirs[20:-20], atol=1e-4)


def test_savitzky_golay_is_scipys(time_s):
    rng = np.random.default_rng(7)
    values = rng.standard_normal((300, 2, 3))
    theirs = savgol_filter(values, 13, 3, axis=0)
    np.testing.assert_allclose(savitzky_golay(values, time_s, window_s=0.2), theirs, atol=1e-12)
    cubic = (time_s[:, None, None] - 2) ** 3 * np.ones(3)
    np.testing.assert_allclose(savitzky_golay(cubic, time_s), cubic, atol=1e-9)


def test_median_is_scipys_and_keeps_steps(time_s):
    rng = np.random.default_rng(8)
    values = rng.standard_normal((300, 2, 3))
    theirs = median_filter(values, size=(7, 1, 1))
    np.testing.assert_array_equal(median(values, time_s, window_s=0.1)[3:-3], theirs[3:-3])
    step = np.where(time_s < 2, 0.0, 1.0)[:, None, None] * np.ones(3)
    np.testing.assert_array_equal(median(step, time_s, window_s=0.1), step)


def test_one_euro_is_the_papers(time_s):
    # The algorithm of the paper, figure 1, for one coordinate.
    rng = np.random.default_rng(9)
    x = np.cumsum(rng.standard_normal(300)) * 0.01

    def alpha(cutoff):
        tau, te = 1 / (2 * np.pi * cutoff), 1 / RATE_HZ
        return 1 / (1 + tau / te)

    expected, dx_hat = [x[0]], 0.0
    for value in x[1:]:
        dx_hat = alpha(1.0) * (value - expected[-1]) * RATE_HZ + (1 - alpha(1.0)) * dx_hat
        a = alpha(2.0 + 5.0 * abs(dx_hat))
        expected.append(a * value + (1 - a) * expected[-1])
    found = one_euro_pass(x[:, None, None], time_s, 2.0, 5.0)
    np.testing.assert_allclose(found[:, 0, 0], expected, atol=1e-12)


def test_one_euro_is_quick_where_it_is_fast_and_knows_no_axes(time_s):
    rng = np.random.default_rng(10)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    values = path(time_s) + 0.01 * rng.standard_normal((300, 1, 3))
    np.testing.assert_allclose(one_euro(values @ turn, time_s), one_euro(values, time_s) @ turn, atol=1e-12)
    fast = wave(2.0, time_s)
    slow_error, quick_error = (np.abs(one_euro(fast, time_s, beta=b) - fast).max() for b in (0.0, 20.0))
    assert quick_error < 0.5 * slow_error


def test_kalman_is_the_weighted_least_squares_path():
    # The smoother's path is the one that minimises misfit plus jerk: solved here at once, from the same model.
    rng = np.random.default_rng(11)
    frames, density = 25, 20.0**2
    time_s = np.cumsum(rng.uniform(0.01, 0.05, frames))
    sigma = rng.uniform(0.005, 0.03, frames)
    y = np.sin(3 * time_s) + sigma * rng.standard_normal(frames)
    y[10:13] = np.nan
    start = np.diag([1e2, 1e2, 1e2])
    rows, right = [np.linalg.cholesky(np.linalg.inv(start)).T @ np.eye(3, 3 * frames)], [np.zeros(3)]
    for k, dt in enumerate(np.diff(time_s)):
        carry = np.array([[1, dt, dt**2 / 2], [0, 1, dt], [0, 0, 1]])
        powers = np.array([[5, 4, 3], [4, 3, 2], [3, 2, 1]])
        noise = density * dt**powers / np.array([[20, 8, 6], [8, 3, 2], [6, 2, 1]])
        block = np.zeros((3, 3 * frames))
        block[:, 3 * k : 3 * k + 3], block[:, 3 * k + 3 : 3 * k + 6] = -carry, np.eye(3)
        rows.append(np.linalg.cholesky(np.linalg.inv(noise)).T @ block)
        right.append(np.zeros(3))
    middle = np.nanmean(y)
    for k in np.flatnonzero(np.isfinite(y)):
        row = np.zeros((1, 3 * frames))
        row[0, 3 * k] = 1 / sigma[k]
        rows.append(row)
        right.append(np.array([(y[k] - middle) / sigma[k]]))
    A, b = np.concatenate(rows), np.concatenate(right)
    # The start's guess is the first value.
    b[:3] = np.linalg.cholesky(np.linalg.inv(start)).T @ np.array([y[0] - middle, 0, 0])
    best = np.linalg.solve(A.T @ A, A.T @ b)[::3] + middle
    spread = np.sqrt(np.diag(np.linalg.inv(A.T @ A))[::3])
    found = kalman_smoother(y[:, None, None], time_s, sigma[:, None], jerk=20.0, max_gap_s=1.0)
    np.testing.assert_allclose(found.values[:, 0, 0], best, atol=1e-6)
    np.testing.assert_allclose(found.sigma[:, 0], spread, rtol=1e-4)
    assert found.sigma[11, 0] > 1.2 * found.sigma[[5, 18], 0].max()  # in the gap


def test_kalman_bridges_gaps_up_to_its_limit_only(time_s):
    values = path(time_s)
    values[100:106] = np.nan
    values[200:230] = np.nan
    smooth = kalman_smoother(values, time_s, np.full((300, 1), 0.001), max_gap_s=0.2)
    assert np.isfinite(smooth.values[100:106]).all()
    assert np.isnan(smooth.values[200:230]).all()
    assert np.isnan(smooth.sigma[200:230]).all()
    np.testing.assert_allclose(smooth.values[100:106], path(time_s)[100:106], atol=0.003)


def test_jitter_sees_noise_and_no_motion(time_s):
    rng = np.random.default_rng(12)
    noisy = path(time_s) + 0.004 * rng.standard_normal((300, 1, 3))
    noisy[50] += 2.0
    assert jitter(noisy) == pytest.approx([0.004], rel=0.15)
    assert jitter(path(time_s))[0] < 0.0005


def test_names_and_parameters_are_told_apart():
    assert parameters_of("butterworth") == {"cutoff_hz": 8.0, "order": 4.0}
    assert parameters_of("kalman") == {"jerk": 200.0}
    assert parameters_of("none") == {}
    assert bridges_gaps("kalman")
    assert not bridges_gaps("gaussian")
    with pytest.raises(CleanupError, match='Did you mean "savitzky-golay"'):
        parameters_of("savitsky-golay")
    with pytest.raises(CleanupError, match="has no parameter beta: it has cutoff_hz, order"):
        check_parameters("butterworth", {"beta": 1.0})
    with pytest.raises(CleanupError, match="needed a finite number"):
        check_parameters("butterworth", {"cutoff_hz": np.nan})


@pytest.mark.parametrize(
    ("name", "chosen", "says"),
    [
        ("butterworth", {"cutoff_hz": 30.0}, "needed less than half of the 60 frames"),
        ("butterworth", {"cutoff_hz": 0.0}, "needed more than 0"),
        ("butterworth", {"order": 3.0}, "needed 2, 4, 6, 8 or 10"),
        ("savitzky-golay", {"order": 7.0}, "needed 0 to 5"),
        ("savitzky-golay", {"window_s": 0.0}, "needed more than 0"),
        ("gaussian", {"cutoff_hz": -1.0}, "needed more than 0"),
        ("median", {"window_s": 0.0}, "needed more than 0"),
        ("one-euro", {"beta": -1.0}, "not less than 0"),
        ("kalman", {"jerk": 0.0}, "needed more than 0"),
    ],
)
def test_impossible_parameters_are_refused(name, chosen, says, time_s):
    with pytest.raises(CleanupError, match=says):
        FILTERS[name](path(time_s), time_s, None, **chosen)
