"""Files laid out as other tools write them, by hand: units, axes, names, and what is said about them."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.interchange import load_calibration, load_cameras
from clapcap.errors import FileFormatError

TABLE = """
name = "{name}"
size = [ 640, 480,]
matrix = [ [ 600.0, 0.0, 320.0,], [ 0.0, 600.0, 240.0,], [ 0.0, 0.0, 1.0,],]
distortions = [ -0.25, 0.0, 0.0, 0.0, 0.0,]
rotation = [ 0.0, {turn}, 0.0,]
translation = [ {x}, 0.0, 2000.0,]
"""

ANIPOSE = (
    "[cam_0]"
    + TABLE.format(name="A", turn=0.0, x=0.0)
    + "[cam_1]"
    + TABLE.format(name="B", turn=0.5, x=500.0)
    + "[metadata]\nadjusted = false\nerror = 0.7\n"
)


def written(tmp_path, text, name="calibration.toml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_aniposelib_gives_no_unit_and_millimetres_cannot_be_metres(tmp_path):
    path = written(tmp_path, ANIPOSE)
    with pytest.raises(FileFormatError, match=r"would stand 520 m apart.*--unit mm -o cameras\.toml"):
        load_calibration(path)
    found = load_calibration(path, unit="mm")
    np.testing.assert_allclose(found.cameras["A"].center_m, [0, 0, -2])
    assert not any(note.startswith("Unit") for note in found.notes)
    assert found.metadata == {"adjusted": False, "error": 0.7}
    np.testing.assert_allclose(load_calibration(path, unit="0.002").cameras["A"].center_m, [0, 0, -4])


def test_plausible_metres_are_said_to_be_assumed(tmp_path):
    found = load_calibration(written(tmp_path, ANIPOSE.replace("2000.0", "2.0").replace("500.0", "0.5")))
    assert any(note.startswith("Unit: the file gives no unit") and " m apart" in note for note in found.notes)


def test_a_declared_unit_is_taken_and_not_contradicted(tmp_path):
    path = written(tmp_path, ANIPOSE + 'units = "millimetres"\n')
    np.testing.assert_allclose(load_calibration(path).cameras["A"].center_m, [0, 0, -2])
    np.testing.assert_allclose(load_calibration(path, unit="mm").cameras["A"].center_m, [0, 0, -2])
    with pytest.raises(FileFormatError, match=r"declares its own unit, 0\.001 m, which contradicts m\."):
        load_calibration(path, unit="m")


@pytest.mark.parametrize("unit", ["feet", "0", "-1", "nan", "inf"])
def test_unknown_units_are_refused(tmp_path, unit):
    with pytest.raises(FileFormatError, match=f'The unit "{unit}" is unknown'):
        load_calibration(written(tmp_path, ANIPOSE), unit=unit)


def test_freemocap_is_in_millimetres_and_its_first_camera_may_be_the_world(tmp_path):
    path = written(tmp_path, ANIPOSE + "charuco_square_size = 58.0\ngroundplane_calibration = false\n")
    found = load_calibration(path)
    assert found.codec.name == "freemocap"
    np.testing.assert_allclose(found.cameras["A"].center_m, [0, 0, -2])
    assert len(found.notes) == 1
    assert "its -y axis points up" in found.notes[0]
    turned = load_calibration(path, up="-y")
    assert turned.notes == ()
    # What lay 2 m behind the origin by its z, forwards, lies there by y now; z is up.
    np.testing.assert_allclose(turned.cameras["A"].center_m, [0, -2, 0])
    np.testing.assert_allclose(
        turned.cameras["A"].project(np.array([0.0, 0, 0.5])), found.cameras["A"].project(np.array([0, -0.5, 0]))
    )


@pytest.mark.parametrize("up", ["x", "-x", "y", "-y", "z", "-z"])
def test_worlds_are_turned_without_mirroring(tmp_path, up):
    path = written(tmp_path, ANIPOSE + "charuco_square_size = 58.0\n")
    before, after = load_cameras(path), load_calibration(path, up=up).cameras
    axis = np.zeros(3)
    axis["xyz".index(up[-1])] = -1.0 if up.startswith("-") else 1.0
    turn = before["A"].T_cam_world[:3, :3].T @ after["A"].T_cam_world[:3, :3]
    np.testing.assert_allclose(turn @ [0, 0, 1], axis, atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)


def test_unknown_axes_are_refused(tmp_path):
    with pytest.raises(FileFormatError, match='"up" is no axis of the world'):
        load_calibration(written(tmp_path, ANIPOSE), up="up")


@pytest.mark.parametrize(("units", "metres"), [("metres", 1.0), ("mm", 1e-3)])
@pytest.mark.parametrize("own", ["world_position = [0, 0, 0]", "port = 0", "fisheye = false"])
def test_a_declared_unit_counts_whichever_tool_it_looks_like(tmp_path, own, units, metres):
    text = ANIPOSE.replace("2000.0,]\n", f"2000.0,]\n{own}\n") + f'units = "{units}"\n'
    np.testing.assert_allclose(
        load_calibration(written(tmp_path, text)).cameras.cameras[0].center_m, [0, 0, -2000 * metres]
    )


def test_freemocap_without_a_measured_square_is_doubted(tmp_path):
    path = written(tmp_path, ANIPOSE + "charuco_square_size = 1\n")
    assert any("squares measure 1 mm" in note for note in load_calibration(path).notes)
    np.testing.assert_allclose(load_calibration(path, unit="0.05").cameras["A"].center_m, [0, 0, -100])


def test_freemocap_fisheyes(tmp_path):
    text = ANIPOSE.replace("2000.0,]\n", "2000.0,]\nfisheye = true\n").replace(
        "0.0, 0.0, 0.0, 0.0,]", "0.0, 0.0, 0.0,]"
    )
    found = load_cameras(written(tmp_path, text + "charuco_square_size = 58.0\n"))
    assert found["A"].lens.name == "fisheye"
    assert found["A"].distortion.tolist() == [-0.25, 0, 0, 0]


def test_pose2sim_is_in_metres_whatever_its_tables_are_called(tmp_path):
    text = "".join(
        f"[int_{name}]"
        + TABLE.format(name=name, turn=turn, x="0.5").replace("2000.0", "3.0").replace("640, 480", "640.0, 480.0")
        + "fisheye = false\n\n"
        for name, turn in (("cam01", 0.0), ("cam02", 0.5))
    ).replace("0.0, 0.0, 0.0, 0.0,]", "0.0, 0.0, 0.0]")
    found = load_calibration(written(tmp_path, text + "[metadata]\nadjusted = false\nerror = 0.0\n"))
    assert found.codec.name == "pose2sim"
    assert found.cameras.names == ("cam01", "cam02")
    assert found.cameras["cam01"].size_px == (640, 480)
    np.testing.assert_allclose(found.cameras["cam01"].center_m, [-0.5, 0, -3])
    assert not any(note.startswith("Unit") for note in found.notes)


def test_caliscopes_earlier_config_with_cameras_that_are_no_part_of_it(tmp_path):
    base = """
size = [ 640, 480,]
rotation_count = 0
matrix = [ [ 600.0, 0.0, 320.0,], [ 0.0, 600.0, 240.0,], [ 0.0, 0.0, 1.0,],]
distortions = [ 0.1, 0.0, 0.0, 0.0, 0.0,]
grid_count = 20
"""
    pose = "translation = [ 0.0, 0.0, 2.0,]\nrotation = [ [ 1.0, 0.0, 0.0,], [ 0.0, 0.0, -1.0,], [ 0.0, 1.0, 0.0,],]\n"
    text = (
        "CreationDate = 2023-01-01T00:00:00\n"
        f"[cam_0]\nport = 0\nignore = false\n{base}{pose}"
        f"[cam_1]\nport = 1\nignore = true\n{base}{pose}"
        f'[cam_2]\nport = 2\n{base}translation = "null"\nrotation = "null"\n'
        f"[cam_10]\nport = 10\n{base}{pose}"
        "[capture_volume]\nstage = 2\n[charuco]\ncolumns = 4\n"
    )
    found = load_calibration(written(tmp_path, text, "config.toml"))
    assert found.codec.name == "caliscope"
    assert found.cameras.names == ("port_0", "port_10")
    np.testing.assert_allclose(found.cameras["port_0"].center_m, [0, -2, 0])
    assert [note.split(":")[0] for note in found.notes] == ["port_1 is left out", "port_2 is left out"]


def test_a_cameras_number_names_it_where_caliscope_gives_no_more(tmp_path):
    table = ANIPOSE.split("[cam_1]")[0].replace("[cam_0]", "[cameras.{}]\n{}").replace('name = "A"\n', "")
    text = table.format(3, "cam_id = 3") + table.format(4, "port = 4") + table.format(5, "rotation_count = 0")
    assert load_cameras(written(tmp_path, text.replace("2000.0", "2.0"))).names == ("cam_3", "port_4", "cam_5")


INTRI = """K_{n}: !!opencv-matrix
  rows: 3
  cols: 3
  dt: d
  data: [600.000000, 0.000000, 320.000000,
      0.000000, 600.000000, 240.000000, 0., 0., 1.]
dist_{n}: !!opencv-matrix
  rows: 1
  cols: 5
  dt: d
  data: [0.100000, 0.000000, 0.000000, 0.000000, 0.000000]
H_{n}: 480
W_{n}: 640
"""
EXTRI = """R_{n}: !!opencv-matrix
   rows: 3
   cols: 1
   dt: d
   data: [ 1.570796, 0., 0. ]
Rot_{n}: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 1., 0., 0., 0., 0., -1., 0., 1., 0. ]
T_{n}: !!opencv-matrix
   rows: 3
   cols: 1
   dt: d
   data: [ 0., 1., 2. ]
"""


def easymocap(tmp_path):
    """Write EasyMocap's pair in its own hand: Windows line ends, six decimals, lists in both styles."""
    inner = '%YAML:1.0\n---\nnames:\n  - "1"\n  - "2"\n' + "".join(INTRI.format(n=n) for n in (1, 2))
    outer = '%YAML:1.0\n---\nnames: [ "1", 2 ]\n' + "".join(EXTRI.format(n=n) for n in (1, 2))
    (tmp_path / "intri.yml").write_bytes(inner.replace("\n", "\r\n").encode())
    (tmp_path / "extri.yml").write_text(outer)
    return tmp_path


def test_easymocaps_own_hand(tmp_path):
    folder = easymocap(tmp_path)
    found = load_calibration(folder)
    assert found.codec.name == "easymocap"
    assert found.cameras.names == ("1", "2")
    assert found.cameras["1"].size_px == (640, 480)
    np.testing.assert_allclose(found.cameras["1"].center_m, [0, -2, 1], atol=1e-5)
    assert found.notes == ()


def test_easymocaps_earlier_files_need_a_picture_size(tmp_path):
    folder = easymocap(tmp_path)
    kept = [line for line in (folder / "intri.yml").read_text().splitlines() if not line.startswith("W_")]
    (folder / "intri.yml").write_text("\n".join(kept))
    with pytest.raises(FileFormatError, match=r"picture size of camera 1 is missing.*W_1: 1920 and H_1: 1080"):
        load_calibration(folder)


TUTORIAL = """%YAML:1.0
---
calibration_time: "Mon 05 Jan 2026"
# flags: +zero_tangent_dist
image_width: 640
image_height: 480
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 600., 0., 320., 0., 600., 240., 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 5
   cols: 1
   dt: d
   data: [ 1.0e-01, 0., 0., 0., 0. ]
"""
POSE = "extrinsic_parameters: !!opencv-matrix\n   rows: 1\n   cols: 6\n   dt: d\n   data: [ 0., 0., 0., 0., 0., 2. ]\n"


def test_opencvs_tutorial_file_with_one_view(tmp_path):
    found = load_calibration(written(tmp_path, TUTORIAL + POSE, "front.yml"))
    assert found.codec.name == "opencv"
    assert found.cameras.names == ("front",)
    np.testing.assert_allclose(found.cameras["front"].center_m, [0, 0, -2])
    assert any(note.startswith("Unit: the file gives no unit") for note in found.notes)


def test_intrinsics_alone_are_no_calibration_of_a_group(tmp_path):
    with pytest.raises(FileFormatError, match=r"front\.yml says nothing about where the camera stands"):
        load_calibration(written(tmp_path, TUTORIAL, "front.yml"))


def test_ros_writes_matrices_without_a_tag(tmp_path):
    text = TUTORIAL.split("image_width")[1].replace(" !!opencv-matrix", "")
    pose = POSE.replace(" !!opencv-matrix", "")
    head = "camera_name: narrow\ndistortion_model: plumb_bob\nimage_width"
    found = load_cameras(written(tmp_path, head + text + pose, "ost.yaml"))
    assert found.names == ("narrow",)
    wide = head.replace("plumb_bob", "equidistant") + text.replace("rows: 5", "rows: 4").replace("0., 0. ]", "0. ]")
    cut = wide.replace("data: [ 1.0e-01, 0., 0., 0. ]", "data: [ 1.0e-01, 0., 0., 0. ]")
    assert load_cameras(written(tmp_path, cut + pose, "ost.yaml"))["narrow"].lens.name == "fisheye"


COLMAP_CAMERAS = """# Camera list with one line of data per camera:
# Number of cameras: 2
3 SIMPLE_RADIAL 640 480 600 320 240 -0.1
7 RADIAL_FISHEYE 640 480 600 320 240 0.01 0.02
"""
COLMAP_IMAGES = """# Image list with two lines of data per image:
# Number of images: 3, mean observations per image: 1
1 1 0 0 0 0 0 2 3 left/0001.JPG
10.5 20.5 -1 11.5 21.5 4
2 0.7071067811865476 0.7071067811865476 0 0 0 0 2 3 right.png

4 1 0 0 0 1 0 2 7 wide.view.jpeg
"""


def colmap(tmp_path, cameras=COLMAP_CAMERAS, images=COLMAP_IMAGES):
    (tmp_path / "cameras.txt").write_text(cameras)
    (tmp_path / "images.txt").write_text(images)
    return tmp_path


def test_colmaps_pictures_become_cameras(tmp_path):
    found = load_calibration(colmap(tmp_path))
    assert found.codec.name == "colmap"
    assert found.cameras.names == ("left/0001", "right", "wide.view")
    left, right, wide = found.cameras
    np.testing.assert_allclose(left.matrix[:2], [[600, 0, 319.5], [0, 600, 239.5]])
    assert left.distortion.tolist() == [-0.1, 0, 0, 0, 0]
    assert wide.lens.name == "fisheye"
    assert wide.distortion.tolist() == [0.01, 0.02, 0, 0]
    np.testing.assert_allclose(
        right.T_cam_world[:3, :3], Rotation.from_rotvec([np.pi / 2, 0, 0]).as_matrix(), atol=1e-12
    )
    assert any("scale of a COLMAP model is arbitrary" in note for note in found.notes)


@pytest.mark.parametrize(
    ("cameras", "images", "says"),
    [
        (COLMAP_CAMERAS.replace("SIMPLE_RADIAL", "THIN_PRISM_FISHEYE"), COLMAP_IMAGES, "cameras.txt: line 3 is"),
        (COLMAP_CAMERAS.replace(" -0.1", ""), COLMAP_IMAGES, "line 3 has 3 parameters, needed 4 for SIMPLE_RADIAL"),
        (COLMAP_CAMERAS.replace("-0.1", "minus"), COLMAP_IMAGES, "line 3 holds what is no number"),
        (COLMAP_CAMERAS, COLMAP_IMAGES.replace("2 7 wide", "2 8 wide"), "line 7 refers to camera '8'"),
        (COLMAP_CAMERAS, COLMAP_IMAGES.replace("1 1 0 0 0 0", "1 2 0 0 0 0"), "line 3 has a quaternion of length 2"),
        (COLMAP_CAMERAS, COLMAP_IMAGES.replace("right.png", "wide.view.png"), "camera names repeat: wide.view"),
        (COLMAP_CAMERAS, "# nothing\n", "holds no camera with a place in the world"),
        (
            "3 FULL_OPENCV 640 480 600 600 320 240 0 0 0 0 0 0.1 0 0\n7 PINHOLE 6 4 1 1 3 2\n",
            COLMAP_IMAGES,
            "k4, k5 or k6",
        ),
    ],
)
def test_broken_colmap_models_are_named_by_line(tmp_path, cameras, images, says):
    with pytest.raises(FileFormatError, match=says):
        load_calibration(colmap(tmp_path, cameras, images))
