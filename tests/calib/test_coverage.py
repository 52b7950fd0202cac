import numpy as np
import pytest

from calib.intrinsics.coverage import coverage_of

SIZE = (120, 80)  # cells of 10 x 10 px


def grid(left, right, top, bottom, step=5.0):
    """Points every 5 px of a part of the picture: four in each cell."""
    u, v = np.meshgrid(np.arange(left + 2, right, step), np.arange(top + 2, bottom, step))
    return np.stack([u.ravel(), v.ravel()], axis=-1)


def test_cells_are_counted_by_hand():
    found = coverage_of(np.array([[0.0, 0.0], [9.4, 9.4], [9.6, 0.0], [np.nan, np.nan], [119.4, 79.4]]), SIZE)
    # Pixel 9.4 still lies in the first ten, whose last pixel ends at 9.5.
    assert found.cells[0, 0] == 2
    assert found.cells[0, 1] == 1
    assert found.cells[7, 11] == 1
    assert found.cells.sum() == 4
    assert found.share == 3 / 96


def test_rings_go_from_the_middle_to_the_picture_corners():
    middle, corner = (np.array(SIZE) - 1) / 2, np.array([0.0, 0.0])
    found = coverage_of(np.stack([middle, corner, middle + np.array([0, 15])]), SIZE)
    # Half the diagonal is 72 px: 15 px lie in the second ring, which begins at 14.4.
    assert found.rings.tolist() == [1, 1, 0, 0, 1]


def test_points_outside_of_the_picture_do_not_count():
    assert coverage_of(np.array([[-0.6, 5.0], [5.0, 79.6]]), SIZE).cells.sum() == 0


def test_nothing_seen_is_nothing_covered():
    found = coverage_of(np.full((3, 2), np.nan), SIZE)
    assert found.share == 0
    assert found.only_middle


@pytest.mark.parametrize(
    ("part", "unseen"),
    [
        ((0, 120, 0, 80), ()),
        ((30, 120, 0, 80), ("the outer left quarter",)),
        ((0, 90, 0, 60), ("the outer right quarter", "the outer lower quarter")),
    ],
)
def test_quarters_are_named(part, unseen):
    assert coverage_of(grid(*part), SIZE).unseen == unseen


def test_a_picture_corner_is_named_when_its_sides_were_seen():
    points = grid(0, 120, 0, 80)
    points = points[~((points[:, 0] >= 90) & (points[:, 1] < 20))]
    found = coverage_of(points, SIZE)
    assert found.unseen == ("the upper right corner",)
    assert not found.only_middle


def test_only_the_middle():
    assert coverage_of(grid(30, 90, 20, 60), SIZE).only_middle
    assert not coverage_of(grid(30, 100, 20, 60), SIZE).only_middle
