"""The board's print, frame and way."""

import cv2
import numpy as np

from blender import board


def test_corners_lie_where_opencv_says_in_the_boards_frame():
    corners = board.corners_m()
    assert corners.shape == (24, 3)
    # The first inner corner is one square right of and below the origin, the ids run along the rows of six.
    np.testing.assert_allclose(corners[0], [0.1, 0.1, 0.0], atol=1e-7)
    np.testing.assert_allclose(corners[5], [0.6, 0.1, 0.0], atol=1e-7)
    np.testing.assert_allclose(corners[6], [0.1, 0.2, 0.0], atol=1e-7)


def test_modules_enlarged_are_opencvs_own_picture_of_the_board():
    picture = board.charuco_board().generateImage((560, 400), marginSize=0, borderBits=1)
    ours = np.kron(board.modules(), np.ones((10, 10))) * 255
    assert (ours == picture).all()


def test_mesh_has_the_print_in_front_and_its_corners_where_the_squares_meet():
    mesh = board.mesh()
    quads = mesh.vertices_m[mesh.faces]
    normals = np.cross(quads[:, 1] - quads[:, 0], quads[:, 2] - quads[:, 0])
    printed = (mesh.vertices_m[mesh.faces][..., 2] == 0).all(axis=1)
    assert printed.sum() == (40 + 2) * (56 + 2)
    assert (normals[printed][:, 2] < 0).all()  # towards the reader: z points into the plate
    # Around an inner corner the two squares without a marker are ink, so its diagonal neighbours are all ink.
    middles, dark = quads[printed].mean(axis=1), mesh.face_colors[printed].mean(axis=1) < 0.5
    for corner in board.corners_m():
        near = np.abs(middles - corner)[:, :2].max(axis=1) < 0.01
        sides = (middles[near] - corner)[:, :2] > 0
        same = sides[:, 0] == sides[:, 1]
        assert len(set(dark[near][same])) == 1
        assert len(set(dark[near][~same])) == 1
        assert dark[near][same][0] != dark[near][~same][0]


def test_detector_reads_the_modules():
    picture = np.kron(np.pad(board.modules(), 4, constant_values=True), np.ones((10, 10))).astype(np.uint8) * 255
    corners, ids, _, _ = cv2.aruco.CharucoDetector(board.charuco_board()).detectBoard(picture)
    assert len(ids) == 24
    # 4 modules of margin, 800 pixels a metre; the detector calls the outer edge of the first pixel zero.
    np.testing.assert_allclose(corners[:, 0], board.corners_m()[ids.ravel(), :2] * 800 + 40, atol=0.1)


def test_the_board_is_laid_down_face_up_and_stays():
    still = board.T_world_board(board.LAID_DOWN_S + np.array([0.0, 0.3, 1.2]))
    np.testing.assert_allclose(still, np.broadcast_to(still[0], still.shape), atol=1e-12)
    np.testing.assert_allclose(still[0, :3, 2], [0, 0, -1], atol=1e-12)  # z into the plate: the print looks up
    np.testing.assert_allclose(still[0, 2, 3], board.THICKNESS_M)


def test_the_board_is_carried_as_by_a_person_and_never_through_the_floor():
    step = 1 / 240
    time = np.arange(-1.4, 13.6, step)
    poses = board.T_world_board(time)
    plate = board.mesh().vertices_m[-4:]
    corners = np.einsum("tij,kj->tki", poses[:, :3, :3], plate) + poses[:, None, :3, 3]
    assert corners[..., 2].min() > -1e-9
    speed = np.linalg.norm(np.diff(corners, axis=0), axis=-1) / step
    acceleration = np.linalg.norm(np.diff(corners, n=2, axis=0), axis=-1) / step**2
    assert speed.max() < 3.0
    assert np.median(acceleration) < 5.0
    determinants = np.linalg.det(poses[:, :3, :3])
    np.testing.assert_allclose(determinants, 1.0, atol=1e-9)
