"""A folder of images as a video: natural order, times from a table beside them."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapcap.errors import MediaError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
TIME_TABLES = ("timestamps.csv", "times.csv")
TIME_COLUMNS = ("time_s", "frame_time", "time")


def list_images(folder: Path) -> list[Path]:
    """Return the images of a folder in natural order: `img2.png` before `img10.png`.

    Raises
    ------
    MediaError
        If there are none.
    """
    images = [f for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES and not f.name.startswith(".")]
    if not images:
        raise MediaError(f"{folder} holds no images ({', '.join(IMAGE_SUFFIXES)}). Choose a video or another folder.")
    return sorted(images, key=_natural)


def read_times(folder: Path, images: list[Path], rate_hz: float) -> npt.NDArray[np.float64]:
    """Return the time of every image of a folder.

    Parameters
    ----------
    folder
        Where `timestamps.csv` or `times.csv` may lie: a column `time_s` (or `frame_time`, `time`) in seconds, one row
        per image in natural order, or in any order with a column `file`.
    images
        What `list_images` returned.
    rate_hz
        The rate where there is no such table: image i is then at i / rate_hz.

    Returns
    -------
    times
        (images,), seconds, strictly increasing.

    Raises
    ------
    MediaError
        If the table does not fit the images.
    """
    tables = [folder / name for name in TIME_TABLES if (folder / name).is_file()]
    if not tables:
        return np.arange(len(images)) / rate_hz
    table = tables[0]
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    column = next((name for name in TIME_COLUMNS if rows and name in rows[0]), None)
    if column is None:
        raise MediaError(f"{table} has no rows with one of the columns {', '.join(TIME_COLUMNS)} (seconds).")
    try:
        times = [float(row[column]) for row in rows]
    except (TypeError, ValueError) as error:
        raise MediaError(f"{table}: a value of column `{column}` is no number of seconds ({error}).") from error
    if "file" in rows[0]:
        by_file = {Path(row["file"]).name: time for row, time in zip(rows, times, strict=True)}
        missing = [image.name for image in images if image.name not in by_file]
        if missing:
            raise MediaError(f"{table} gives no time for {len(missing)} of {len(images)} images, first {missing[0]}.")
        times = [by_file[image.name] for image in images]
    if len(times) != len(images):
        raise MediaError(
            f"{table} has {len(times)} times, needed one for each of the {len(images)} images of the folder."
        )
    if not all(math.isfinite(time) for time in times):
        raise MediaError(f"{table}: column `{column}` holds values that are not finite.")
    for image, before, after in zip(images[1:], times, times[1:], strict=False):
        if after <= before:
            raise MediaError(f"{table}: the time of {image.name} ({after} s) is not after the one before ({before} s).")
    return np.array(times)


def read_image(path: Path, *, gray: bool) -> npt.NDArray[np.uint8]:
    """Return an image as (h, w, 3) RGB or (h, w) gray, turned as its EXIF orientation says.

    Raises
    ------
    MediaError
        If it cannot be read.
    """
    import cv2

    flag = cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR
    # Not cv2.imread: it prints to stderr, and on Windows it cannot open names outside the local code page.
    content = np.fromfile(path, dtype=np.uint8)
    decoded = cv2.imdecode(content, flag) if content.size else None
    if decoded is None:
        raise MediaError(f"{path} is not an image that can be read. Copy it again, or take it out of the folder.")
    image = decoded.astype(np.uint8, copy=False)
    return image if gray else np.ascontiguousarray(image[:, :, ::-1])


def _natural(path: Path) -> list[tuple[int, str]]:
    """Key for names with numbers: text and numbers alternate, so that like is compared with like."""
    return [(int(part), "") if part.isdigit() else (-1, part.lower()) for part in re.split(r"(\d+)", path.name)]
