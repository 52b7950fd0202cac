"""Corners to a fraction of a pixel, and how sure: the print as it should look, laid over the picture.

Around each corner the print is drawn as the homography of the board shows it, blurred as the picture is, and moved
until it fits (B. Lucas, T. Kanade, "An iterative image registration technique", 1981, with gain and offset of the light
as further unknowns). All edges within half a square take part, those of markers too, where a search for the crossing of
two lines has to keep its window clear of them. What remains as difference tells whether the corner is there at all
(a hand over it, a wrong guess), and its variance, carried through the normal equations, how far off it may be.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

REACH_SQUARES = 0.45
"""How far around a corner the print is compared, in squares: up to the middle of the markers."""

REACH_PX = (3, 10)
"""Its limits: fewer pixels hold no two edges, more only cost time."""

BLURS_PX = (0.4, 0.6, 0.85, 1.2, 1.7, 2.4, 3.4)
"""Gaussian blurs tried along x and along y, standard deviation; a picture's best are taken for all its corners."""

BLUR_MARGIN_PX = 6
"""So far beyond the compared pixels the print is drawn, for what blur brings in."""

BLUR_HOLDS_PX = 0.3
"""Corners that moved by more than this since the blur was judged made it look larger than it is."""

SURE_LIKENESS = 0.8
"""Corners below say nothing of the blur."""

MOST_FOR_BLUR = 6
"""The blur is judged by no more corners than this."""

STEPS = 5
SMALL_STEP_PX = 0.03
"""After a step this small the next would be a hundred times smaller: Newton steps shrink as squares."""
ROUGH_STEPS = 2
"""So many steps with the print drawn by the homography of the markers, which are found to a few tenths of a pixel; then
it is drawn by that of the corners."""

SPARE_CORNERS = 6
"""So many corners give a better homography than the markers."""

FAR_STEP_PX = 1.0
"""One step moves a corner by no more than this: farther, brightness is no longer linear in the shift."""

SAMPLES = 2
"""Across a pixel, along x and along y, of the print as drawn."""

BITMAP_PX_PER_SQUARE = 64

SIGMA_FLOOR_PX = 0.004
"""What remains without noise: on drawn boards of 12 to 70 px a square 0.005 to 0.01 px."""


@dataclass(frozen=True, eq=False)
class Match:
    """Corners of one picture; arrays over the corners that were given.

    Attributes
    ----------
    xy_px
        (corners, 2), pixels.
    sigma_px
        (corners,): standard deviation of x and of y, pixels.
    likeness
        (corners,): correlation of the picture with the print, 1 for the same; negative for the inverse.
    blur_px
        The blur along x and along y of all corners, standard deviation, pixels.
    blur
        Its places in `BLURS_PX`: where to start in the next frame.
    """

    xy_px: Array
    sigma_px: Array
    likeness: Array
    blur_px: tuple[float, float]
    blur: tuple[int, int]


class PrintMatch:
    """Compares pictures with one print.

    Parameters
    ----------
    dark_m
        (rectangles, 4) left, top, width, height of what is dark, metres from the print's top left, y down.
    size_m
        Width and height of the print, metres.
    corners_m
        (corners, 2): the corners in the same frame.
    square_m
        The length that `REACH_SQUARES` counts, metres.
    """

    def __init__(self, dark_m: Array, size_m: tuple[float, float], corners_m: Array, square_m: float) -> None:
        per_m = BITMAP_PX_PER_SQUARE / square_m
        margin = BITMAP_PX_PER_SQUARE // 2
        drawn = _draw(dark_m * per_m, np.array(size_m) * per_m, margin)
        self._bitmap = np.round(255 * drawn).astype(np.uint8)
        self._H_bitmap_print = np.array([[per_m, 0, margin - 0.5], [0, per_m, margin - 0.5], [0, 0, 1]])
        self._corners_m = corners_m
        self._square_m = square_m

    def side_px(self, H_picture_print: Array, corners: npt.NDArray[np.intp]) -> Array:
        """Return (corners,): the shorter side of a square at each of these corners of the board, pixels."""
        ends = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]) * self._square_m / 2
        seen = apply_homography(H_picture_print, self._corners_m[corners, None] + ends)
        across = np.linalg.norm(seen[:, 0] - seen[:, 1], axis=-1)
        down = np.linalg.norm(seen[:, 2] - seen[:, 3], axis=-1)
        side: Array = np.minimum(across, down)
        return side

    def match(
        self,
        picture: Image,
        xy_px: Array,
        corners: npt.NDArray[np.intp],
        H_picture_print: Array,
        blur: tuple[int, int] = (2, 2),
    ) -> Match:
        """Move corners to where the print fits.

        Parameters
        ----------
        picture
            (height, width) gray; dark ink on light ground.
        xy_px
            (corners, 2): where the corners are to about 2 px.
        corners
            (corners,): which of the board's corners these are.
        H_picture_print
            (3, 3): from the print's frame (metres, y down) to pixels.
        blur
            Places in `BLURS_PX` to start from, such as those of the frame before.
        """
        rough = self._match(picture, xy_px, corners, H_picture_print, blur, ROUGH_STEPS)
        sure = rough.likeness >= SURE_LIKENESS
        H = _homography(self._corners_m[corners[sure]], rough.xy_px[sure])
        return self._match(picture, rough.xy_px, corners, H_picture_print if H is None else H, blur)

    def _match(
        self,
        picture: Image,
        xy_px: Array,
        corners: npt.NDArray[np.intp],
        H_picture_print: Array,
        blur: tuple[int, int],
        rough_steps: int = 0,
    ) -> Match:
        """Match with one homography: until the steps are small and the blur is found, or with the blur as it is."""
        side = float(np.median(self.side_px(H_picture_print, corners)))
        reach = int(np.clip(round(REACH_SQUARES * side), *REACH_PX))
        centre = np.round(xy_px)
        shift = xy_px - centre
        drawn, near = self._draw_corners(corners, H_picture_print, reach)
        seen, inside = _patches(picture, centre.astype(int), reach)
        weight = near * inside
        some = slice(None, None, -(-len(corners) // MOST_FOR_BLUR))
        sigma, likeness = np.full(len(corners), np.inf), np.full(len(corners), -1.0)
        for _ in range(2):
            before = shift.copy()
            blur_px = BLURS_PX[blur[0]], BLURS_PX[blur[1]]
            if not rough_steps:
                blur, blur_px = _best_blur(drawn[some], seen[some], weight[some], shift[some], reach, blur)
            moving = np.arange(len(corners))
            for _ in range(rough_steps or STEPS):
                template = _template(drawn[moving], shift[moving], reach, blur_px)
                step, sigma[moving] = _fit(template, seen[moving], weight[moving])
                likeness[moving] = _likeness(template[2], seen[moving], weight[moving])
                step = np.clip(step, -FAR_STEP_PX, FAR_STEP_PX)
                # A corner that runs away has nothing to hold on to, and its likeness tells.
                shift[moving] = np.clip(shift[moving] + step, -reach, reach)
                moving = moving[np.abs(step).max(axis=1) >= SMALL_STEP_PX]
                if not len(moving):
                    break
            sure = likeness >= SURE_LIKENESS
            if rough_steps or not sure.any() or np.abs(shift - before)[sure].max() < BLUR_HOLDS_PX:
                break
        return Match(centre + shift, np.hypot(sigma, SIGMA_FLOOR_PX), likeness, blur_px, blur)

    def _draw_corners(
        self, corners: npt.NDArray[np.intp], H_picture_print: Array, reach: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return the print around each corner as the picture shows it, and which pixels are nearest to this corner.

        The first is (corners, SAMPLES * n, SAMPLES * n) with the blur's margin, the second (corners, m, m) without.
        """
        import cv2

        wide = reach + BLUR_MARGIN_PX
        size = SAMPLES * (2 * wide + 1)
        at = apply_homography(H_picture_print, self._corners_m[corners])
        H_bitmap_picture = self._H_bitmap_print @ np.linalg.inv(H_picture_print)
        drawn = np.empty((len(corners), size, size), dtype=np.float32)
        near = np.empty((len(corners), 2 * reach + 1, 2 * reach + 1), dtype=np.float32)
        grid = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2), axis=-1)
        for place, (x, y) in enumerate(at):  # OpenCV draws one at a time
            start = np.array([[1 / SAMPLES, 0, x - wide], [0, 1 / SAMPLES, y - wide], [0, 0, 1]])
            start[:2, 2] += (1 / SAMPLES - 1) / 2
            drawn[place] = cv2.warpPerspective(
                self._bitmap,
                H_bitmap_picture @ start,
                (size, size),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
        squares = apply_homography(np.linalg.inv(H_picture_print), at[:, None, None] + grid)
        squares = (squares - self._corners_m[corners][:, None, None]) / self._square_m
        near = (np.abs(squares) <= 0.5).all(axis=-1).astype(np.float32)
        return drawn / np.float32(255), near


def _homography(print_m: Array, picture_px: Array) -> Array | None:
    """Return the homography of corners that fix it with some to spare; None of fewer, or of corners on a line."""
    import cv2

    if len(print_m) < SPARE_CORNERS or np.linalg.matrix_rank(print_m - print_m.mean(axis=0), tol=1e-6) < 2:
        return None
    found, _ = cv2.findHomography(print_m, picture_px, 0)
    return None if found is None or not np.isfinite(found).all() else np.asarray(found, dtype=np.float64)


def apply_homography(H: Array, points: Array) -> Array:
    """Map points (..., 2) by a homography (3, 3)."""
    mapped = points @ H[:, :2].T + H[:, 2]
    result: Array = mapped[..., :2] / mapped[..., 2:]
    return result


def _draw(dark: Array, size: Array, margin: int) -> Array:
    """Return the print as brightness 0 to 1, each pixel by the share that is light; light all around it."""
    width, height = np.ceil(size).astype(int) + 2 * margin
    ink = np.zeros((height, width))
    for left, top, wide, high in dark:
        x = np.diff(np.clip(np.arange(width + 1), left + margin, left + wide + margin))
        y = np.diff(np.clip(np.arange(height + 1), top + margin, top + high + margin))
        rows, columns = np.flatnonzero(y), np.flatnonzero(x)
        ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += np.outer(y[rows], x[columns])
    return np.clip(1 - ink, 0, 1)


def _patches(
    picture: Image, centre: npt.NDArray[np.int64], reach: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return the pixels around each centre (corners, n, n), and which of them lie in the picture."""
    height, width = picture.shape
    grid = np.arange(-reach, reach + 1)
    x, y = centre[:, 0, None] + grid, centre[:, 1, None] + grid
    inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None]
    pixels = picture[np.clip(y, 0, height - 1)[:, :, None], np.clip(x, 0, width - 1)[:, None]]
    return pixels.astype(np.float32), inside


@cache
def _windows(reach: int) -> tuple[Array, npt.NDArray[np.intp]]:
    """Return the distances of a line of samples, and for each pixel (2 reach + 1, samples) its window of the line.

    A pixel's samples are those of the pixel before moved on: so most of the exponentials are taken once for all.
    """
    wide = reach + BLUR_MARGIN_PX
    samples = SAMPLES * (2 * wide + 1)
    farthest = reach + wide + 0.5 - 0.5 / SAMPLES
    distance = farthest - np.arange(samples + 2 * reach * SAMPLES) / SAMPLES
    start = SAMPLES * np.arange(2 * reach, -1, -1)
    return distance, start[:, None] + np.arange(samples)


def _kernel(shift: Array, reach: int, blur_px: float) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return matrices (corners, pixels, samples) that shift and blur a line of the print, and that take its slope."""
    line, windows = _windows(reach)
    distance = (line - shift[:, None]).astype(np.float32)
    kernel = np.exp(distance * distance * np.float32(-0.5 / blur_px**2))
    kernel *= np.float32(1 / (SAMPLES * blur_px * np.sqrt(2 * np.pi)))
    slope = distance * kernel
    slope *= np.float32(-1 / blur_px**2)
    return kernel.take(windows, axis=1), slope.take(windows, axis=1)


def _template(
    drawn: npt.NDArray[np.float32], shift: Array, reach: int, blur_px: tuple[float, float]
) -> npt.NDArray[np.float32]:
    """Return (3, corners, n, n): the slopes of the shifted, blurred print along x and y, and itself."""
    kernel_x, slope_x = _kernel(shift[:, 0], reach, blur_px[0])
    kernel_y, slope_y = _kernel(shift[:, 1], reach, blur_px[1])
    lines = drawn @ np.swapaxes(kernel_x, 1, 2)
    return np.stack([kernel_y @ (drawn @ np.swapaxes(slope_x, 1, 2)), slope_y @ lines, kernel_y @ lines])


def _best_blur(
    drawn: npt.NDArray[np.float32],
    seen: npt.NDArray[np.float32],
    weight: npt.NDArray[np.float32],
    shift: Array,
    reach: int,
    start: tuple[int, int],
) -> tuple[tuple[int, int], tuple[float, float]]:
    """Find the blurs along x and y with which the print looks most like the picture, by steps from `start`.

    Returns their places in `BLURS_PX`, and the blurs themselves, in between.
    """
    lines: dict[int, npt.NDArray[np.float32]] = {}
    known: dict[tuple[int, int], float] = {}

    def like(blur: tuple[int, int]) -> float:
        if blur[0] not in lines:
            lines[blur[0]] = drawn @ np.swapaxes(_kernel(shift[:, 0], reach, BLURS_PX[blur[0]])[0], 1, 2)
        if blur not in known:
            template = _kernel(shift[:, 1], reach, BLURS_PX[blur[1]])[0] @ lines[blur[0]]
            known[blur] = float(_likeness(template, seen, weight).mean())
        return known[blur]

    size = len(BLURS_PX)
    best = min(max(start[0], 1), size - 2), min(max(start[1], 1), size - 2)
    while True:
        near = [(best[0] + x, best[1] + y) for x, y in ((0, 0), (1, 0), (0, 1), (-1, 0), (0, -1))]
        there = max((blur for blur in near if min(blur) > 0 and max(blur) < size - 1), key=like)
        if there == best:
            break
        best = there
    top = like(best)
    return best, (
        _between(best[0], like((best[0] - 1, best[1])), top, like((best[0] + 1, best[1]))),
        _between(best[1], like((best[0], best[1] - 1)), top, like((best[0], best[1] + 1))),
    )


def _between(place: int, before: float, here: float, after: float) -> float:
    """Return the blur at the top of the parabola through three neighbouring places of `BLURS_PX`."""
    bend = before - 2 * here + after
    by = 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -1, 1))
    return float(np.exp(np.interp(place + by, np.arange(len(BLURS_PX)), np.log(BLURS_PX))))


def _likeness(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32], weight: npt.NDArray[np.float32]) -> Array:
    """Return (corners,): the weighted correlation of patches (corners, n, n)."""
    total = np.maximum(weight.sum(axis=(1, 2)), 1)
    a = a - ((weight * a).sum(axis=(1, 2)) / total)[:, None, None]
    b = b - ((weight * b).sum(axis=(1, 2)) / total)[:, None, None]
    product = (weight * a * b).sum(axis=(1, 2), dtype=np.float64)
    size = np.sqrt((weight * a * a).sum(axis=(1, 2), dtype=np.float64) * (weight * b * b).sum(axis=(1, 2)))
    likeness: Array = product / np.maximum(size, 1e-9)
    return likeness


def _fit(
    template: npt.NDArray[np.float32], seen: npt.NDArray[np.float32], weight: npt.NDArray[np.float32]
) -> tuple[Array, Array]:
    """One Gauss-Newton step: return the steps (corners, 2) and their sigma (corners,)."""
    count = len(seen)
    w = weight.reshape(count, -1, 1)
    columns = np.concatenate([template, np.ones_like(seen)[None], seen[None]])
    A = columns.reshape(5, count, -1).transpose(1, 2, 0)
    N = (np.swapaxes(A * w, 1, 2) @ A).astype(np.float64)
    normal = N[:, :4, :4] + 1e-6 * np.eye(4)
    inverse = np.linalg.inv(normal)
    solution = (inverse @ N[:, :4, 4:])[..., 0]
    left = N[:, 4, 4] - (solution * N[:, :4, 4]).sum(axis=1)
    variance = np.maximum(left, 0) / np.maximum(w.sum(axis=(1, 2)) - 4, 1)
    # The picture shows the print moved by d: brightness = gain * (print - slope . d) + offset.
    gain = np.where(np.abs(solution[:, 2]) > 1e-3, solution[:, 2], 1e-3)
    sigma = np.sqrt(np.trace(inverse[:, :2, :2], axis1=1, axis2=2) / 2 * variance) / np.abs(gain)
    return -solution[:, :2] / gain[:, None], sigma
