"""Pictures of boards drawn from their prints, with corners known exactly."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from calib.boards.board import Board

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

SUPERSAMPLES = 6


def flat_print(board: Board, per_m: float, margin_px: int) -> npt.NDArray[np.float32]:
    """Draw the print, 0 to 1, `per_m` pixels a metre, each pixel by the share of it that is light."""
    fine = 4
    size = np.round(np.array([board.width_m, board.height_m]) * per_m).astype(int)
    drawn = np.ones((size[1] * fine, size[0] * fine), np.float32)
    for left, top, width, height in np.round(board.dark_rectangles_m * per_m * fine).astype(int):
        drawn[top : top + height, left : left + width] = 0
    drawn = cv2.resize(drawn, tuple(size.tolist()), interpolation=cv2.INTER_AREA)
    return cv2.copyMakeBorder(drawn, *[margin_px] * 4, cv2.BORDER_CONSTANT, value=1.0)


def draw(
    board: Board,
    H_picture_print: Array,
    size_px: tuple[int, int],
    *,
    blur_px: float = 0.7,
    noise: float = 0.0,
    motion_px: int = 0,
    rng: np.random.Generator | None = None,
) -> tuple[Image, Array]:
    """Return the picture of a board before gray, and its corners (corners, 2) in it.

    `H_picture_print` maps metres from the top left of the print, y down, to pixels; `motion_px` is a blur along x.
    """
    per_m = 80 / float(
        np.linalg.norm(board.corners_m[board.neighbours[0, 0]] - board.corners_m[board.neighbours[0, 1]])
    )
    margin = 40
    flat = flat_print(board, per_m, margin)
    if board.inverted:
        flat = 1 - flat
    place = np.array([[per_m, 0, margin - 0.5], [0, per_m, margin - 0.5], [0, 0, 1]])
    fine = np.array([[SUPERSAMPLES, 0, (SUPERSAMPLES - 1) / 2], [0, SUPERSAMPLES, (SUPERSAMPLES - 1) / 2], [0, 0, 1]])
    fine_size = (size_px[0] * SUPERSAMPLES, size_px[1] * SUPERSAMPLES)
    picture = np.full(fine_size[::-1], 0.5, np.float32)
    H = fine @ H_picture_print @ np.linalg.inv(place)
    cv2.warpPerspective(flat, H, fine_size, dst=picture, borderMode=cv2.BORDER_TRANSPARENT)
    picture = cv2.GaussianBlur(picture, (0, 0), blur_px * SUPERSAMPLES)
    if motion_px:
        picture = cv2.blur(picture, (motion_px * SUPERSAMPLES | 1, 1))
    picture = 40 + 170 * cv2.resize(picture, size_px, interpolation=cv2.INTER_AREA)
    if rng is not None:
        picture = picture + rng.normal(0, noise, picture.shape)
    printed = board.corners_m[:, :2] * [1, -1] + [board.width_m / 2, board.height_m / 2]
    truth = cv2.perspectiveTransform(printed[None], H_picture_print)[0]
    return np.clip(np.round(picture), 0, 255).astype(np.uint8), truth


def held(
    board: Board, width_px: float, center_px: tuple[float, float], rng: np.random.Generator, tilt: float = 0.08
) -> Array:
    """Return a homography that shows the board about `width_px` wide, turned a little and in perspective."""
    size = np.array([board.width_m, board.height_m])
    ends = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size
    scale = width_px / size[0]
    angle = rng.uniform(-0.4, 0.4)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    seen = (ends - size / 2) * scale @ turn.T + center_px + rng.uniform(-tilt, tilt, (4, 2)) * width_px
    return cv2.getPerspectiveTransform(ends.astype(np.float32), seen.astype(np.float32))


def save_pictures(folder: Path, pictures: list[Image]) -> Path:
    """Write pictures as a folder of images, as a video would be."""
    folder.mkdir()
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"{number:03d}.png"), picture)
    return folder
