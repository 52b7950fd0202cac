"""Corners of drawn boards against the truth: how far off, and whether sigma says so."""

import numpy as np
import pytest

from benchmarks.drawn_boards import draw, held
from calib.boards.board import CharucoBoard

BOARD = CharucoBoard(4, 5, 0.054, 0.0405)
SIZE = (400, 400)


def find_all(seed, pictures, squares_px, board=BOARD, **how):
    """Return errors in x and y (n,), and the sigma of each, of all corners of some pictures."""
    rng = np.random.default_rng(seed)
    errors, sigmas = [], []
    for _ in range(pictures):
        H = held(board, squares_px * 4, (200, 200), rng)
        picture, truth = draw(board, H, SIZE, rng=rng, **how)
        seen = board.finder().find(picture)
        if seen is None:  # too blurred to read a marker
            continue
        there = np.isfinite(seen.xy_px[:, 0])
        errors.append((seen.xy_px - truth)[there])
        sigmas.append(np.repeat(seen.sigma_px[there, None], 2, axis=1))
    return np.concatenate(errors).ravel(), np.concatenate(sigmas).ravel()


# Found by OpenCV's cornerSubPix in a window that just clears the markers, the same pictures give 0.05 to 1.1 px.
@pytest.mark.parametrize(
    ("squares_px", "blur_px", "noise", "rms_px"),
    [(17, 0.7, 3, 0.03), (30, 1.5, 6, 0.05), (30, 0.7, 6, 0.03), (30, 1.5, 3, 0.03), (60, 1.0, 6, 0.03)],
)
def test_one_sigma_holds_68_percent(squares_px, blur_px, noise, rms_px):
    error, sigma = find_all(1, 12, squares_px, blur_px=blur_px, noise=noise)
    assert len(error) > 200
    assert np.sqrt(np.mean(error**2)) < rms_px
    # Of 250 errors, 68 % +- 3 % (one standard deviation of the share) lie within one sigma where it is right.
    assert 0.6 <= np.mean(np.abs(error) < sigma) <= 0.76
    assert abs(np.mean(error)) < 0.01


def test_corners_stay_put_in_motion_blur():
    error, sigma = find_all(2, 10, 40, motion_px=5, noise=4)
    assert np.sqrt(np.mean(error**2)) < 0.12
    # The blur of a motion is no Gaussian: what is left of it counts as noise, and sigma is on the safe side.
    assert np.mean(np.abs(error) < sigma) >= 0.6


def test_sigma_grows_with_noise_and_blur():
    clear = np.median(find_all(3, 3, 40, noise=2)[1])
    noisy = np.median(find_all(3, 3, 40, noise=10)[1])
    blurred = np.median(find_all(3, 3, 40, noise=2, blur_px=2.0)[1])
    assert noisy > 2 * clear
    assert blurred > 1.5 * clear


def test_blur_is_measured():
    rng = np.random.default_rng(4)
    H = held(BOARD, 240, (200, 200), rng)
    for blur_px in (0.8, 1.6, 2.5):
        picture, _ = draw(BOARD, H, SIZE, blur_px=blur_px, noise=2, rng=rng)
        # A pixel's own width blurs by 1 / sqrt(12) more.
        assert BOARD.finder().find(picture).blur_px == pytest.approx(np.hypot(blur_px, 0.29), rel=0.12)


def test_a_hidden_corner_is_not_made_up():
    rng = np.random.default_rng(5)
    H = held(BOARD, 160, (200, 200), rng, tilt=0.02)
    picture, truth = draw(BOARD, H, SIZE, noise=2, rng=rng)
    x, y = np.round(truth[4]).astype(int)
    picture[y - 12 : y + 13, x - 12 : x + 13] = 90
    seen = BOARD.finder().find(picture)
    assert np.isnan(seen.xy_px[4]).all()
    assert seen.count >= 8
