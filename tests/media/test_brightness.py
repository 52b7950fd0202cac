"""Brightness of pictures in blocks."""

import cv2
import numpy as np

from media.brightness import read_brightness


def test_blocks_are_the_means_of_the_pictures_parts(tmp_path):
    picture = np.zeros((320, 640), dtype=np.uint8)
    picture[:40, :80] = 200  # the first block
    picture[280:, 560:] = 100  # the last one
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), picture if index != 1 else 255 - picture)
    brightness = read_brightness(tmp_path)
    assert brightness.blocks.shape == (3, 64)
    assert brightness.blocks[0, 0] == 200
    assert brightness.blocks[0, -1] == 100
    assert not brightness.blocks[0, 1:-1].any()
    assert brightness.blocks[1, 0] == 55
    np.testing.assert_allclose(np.diff(brightness.time_s), 1 / 30)


def test_a_picture_smaller_than_the_blocks_is_read_too(tmp_path):
    for index in range(2):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((6, 10), 70, dtype=np.uint8))
    np.testing.assert_allclose(read_brightness(tmp_path).blocks, 70)
