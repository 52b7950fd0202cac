"""Each format: what is written is read back as the same cameras; what it cannot hold is refused."""

import pickle
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from calib.cameras import Camera, CameraGroup
from calib.interchange import CODECS, codec_named, load_calibration, load_cameras, write_calibration
from calib.lenses.catalogue import lens_named
from clapcap.errors import FileFormatError

sys.path.insert(0, str(Path(__file__).parent))
from camera_groups import ANY_NAMES, PLAIN_NAMES, assert_same_pictures, groups, points_before

BOTH = ("brown", "fisheye")
BROWN = ("brown",)
LENSES = {"anipose": BOTH, "freemocap": BOTH, "caliscope": BOTH, "opencv": BOTH, "colmap": BOTH, "pose2sim": BROWN,
          "qualisys": BROWN, "easymocap": BROWN}  # fmt: skip
NAMES = {
    "anipose": ANY_NAMES,
    "freemocap": ANY_NAMES,
    "caliscope": ANY_NAMES,
    "pose2sim": st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=8),
}


def save(folder, name, cameras, metadata=None):
    """Write the files of a format; return what to give to `load_calibration`."""
    codec = codec_named(name)
    writing = write_calibration(cameras, codec, metadata or {})
    for file, content in writing.files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)
    return folder if codec.is_folder else folder / codec.output


def one_camera(name="front", distortion=(-0.1, 0.02, 1e-3, -2e-3, 0.0), lens="brown", T=None):
    """Stand 2 m before the origin of a world with Z up, 1 m above the floor, and look along y."""
    if T is None:
        T = np.array([[1.0, 0, 0, 0], [0, 0, -1, 1], [0, 1, 0, 2], [0, 0, 0, 1]])
    matrix = np.array([[900.0, 0, 640], [0, 910, 350], [0, 0, 1]])
    return Camera(name, (1280, 720), matrix, np.array(distortion), T, lens_named(lens))


def test_every_format_is_tested():
    readable = {codec.name for codec in CODECS if codec.read is not None}
    assert readable == set(LENSES)
    assert len({codec.name for codec in CODECS}) == len(CODECS)


@pytest.mark.parametrize("name", sorted(LENSES))
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_what_is_written_is_read_back(tmp_path_factory, name, data):
    cameras = data.draw(groups(NAMES.get(name, PLAIN_NAMES), LENSES[name]))
    found = load_calibration(save(tmp_path_factory.mktemp(name), name, cameras))
    assert found.codec.name == name
    assert_same_pictures(found.cameras, cameras)
    for camera in cameras:
        np.testing.assert_allclose(found.cameras[camera.name].center_m, camera.center_m, atol=1e-9)


@pytest.mark.parametrize("file", ["charuco4/reference_cameras.toml", "walk4/Calib.qca.txt"])
@pytest.mark.parametrize("name", sorted(LENSES))
def test_real_calibrations_go_through_every_format(data, tmp_path, name, file):
    real = load_cameras(data / file)
    assert_same_pictures(load_cameras(save(tmp_path, name, real)), real)


@pytest.mark.parametrize("name", sorted(LENSES))
def test_a_file_in_the_unit_of_its_tool_says_so_without_doubt(tmp_path, name):
    found = load_calibration(save(tmp_path, name, CameraGroup((one_camera(),))))
    assert found.notes == ()


@pytest.mark.parametrize("name", sorted(set(LENSES) - {"colmap", "opencv", "easymocap"}))
def test_files_are_recognised_by_their_content_alone(tmp_path, name):
    cameras = CameraGroup((one_camera("a"), one_camera("b")))
    path = save(tmp_path, name, cameras).rename(tmp_path / "calibration")
    assert load_calibration(path).codec.name == name


@pytest.mark.parametrize("name", ["easymocap", "colmap"])
def test_any_of_the_files_stands_for_all(tmp_path, name):
    folder = save(tmp_path, name, CameraGroup((one_camera(),)))
    needed = [file for file in folder.iterdir() if file.name != "points3D.txt"]
    for file in needed:
        assert load_cameras(file).names == ("front",)
    assert set(load_calibration(folder).files) == set(needed)
    needed[0].unlink()
    with pytest.raises(FileFormatError, match=f"{needed[0].name} is missing"):
        load_cameras(needed[1])


def test_pose2sim_gets_four_distortions_unless_the_fifth_counts_and_its_own_order(tmp_path):
    cameras = CameraGroup((one_camera("cam10", (0.1, 0.2, 0.3, 0.4, 0.5)), one_camera("cam2")))
    text = save(tmp_path, "pose2sim", cameras).read_text()
    assert text.index("[cam2]") < text.index("[cam10]")
    assert "distortions = [-0.1, 0.02, 0.001, -0.002]\n" in text
    assert "distortions = [0.1, 0.2, 0.3, 0.4, 0.5]\n" in text
    assert "size = [1280.0, 720.0]" in text
    assert text.count("fisheye = false") == 2


def test_freemocap_gets_millimetres_and_where_the_camera_stands(tmp_path):
    text = save(tmp_path, "freemocap", CameraGroup((one_camera(),))).read_text()
    assert "translation = [0.0, 1000.0, 2000.0]" in text
    assert "world_position = [0.0, -2000.0, 1000.0]" in text
    assert "world_orientation = [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]" in text


@pytest.mark.parametrize(("name", "unit_m"), [("anipose", 1.0), ("freemocap", 1e-3)])
@settings(deadline=None, max_examples=10)
@given(group=groups(PLAIN_NAMES, BOTH))
def test_aniposelib_projects_what_is_written_alike(tmp_path_factory, name, unit_m, group):
    from aniposelib.cameras import CameraGroup as AniposeGroup

    theirs = AniposeGroup.load(str(save(tmp_path_factory.mktemp(name), name, group)))
    assert sorted(theirs.get_names()) == sorted(group.names)
    for camera in theirs.cameras:
        ours = group[camera.get_name()]
        assert tuple(camera.get_size()) == ours.size_px
        points = points_before(ours)
        pixels = camera.project(points / unit_m).reshape(-1, 2)
        np.testing.assert_allclose(pixels, ours.project(points), rtol=1e-9, atol=1e-6)


def test_caliscope_gets_numbers_and_keeps_those_that_are_there(tmp_path):
    cameras = CameraGroup((one_camera("left"), one_camera("right")))
    writing = write_calibration(cameras, codec_named("caliscope"), {})
    assert writing.notes == ("caliscope knows cameras by numbers: left is cam_0, right is cam_1. Name the videos so.",)
    text = save(tmp_path, "caliscope", CameraGroup((one_camera("cam_7"), one_camera("cam_3")))).read_text()
    assert text.index("[cameras.7]") < text.index("cam_id = 7") < text.index("[cameras.3]")


@pytest.mark.parametrize(
    ("distortion", "lens", "line"),
    [
        ((0, 0, 0, 0, 0), "brown", "1 PINHOLE 1280 720 900.0 910.0 640.5 350.5"),
        ((1, 2, 3, 4, 0), "brown", "1 OPENCV 1280 720 900.0 910.0 640.5 350.5 1.0 2.0 3.0 4.0"),
        ((1, 2, 3, 4, 5), "brown", "1 FULL_OPENCV 1280 720 900.0 910.0 640.5 350.5 1.0 2.0 3.0 4.0 5.0 0.0 0.0 0.0"),
        ((1, 2, 3, 4), "fisheye", "1 OPENCV_FISHEYE 1280 720 900.0 910.0 640.5 350.5 1.0 2.0 3.0 4.0"),
    ],
)
def test_colmap_counts_pixels_from_the_corner_and_gets_the_smallest_model(tmp_path, distortion, lens, line):
    folder = save(tmp_path, "colmap", CameraGroup((one_camera("front", distortion, lens),)))
    assert line in (folder / "cameras.txt").read_text().splitlines()
    image = (folder / "images.txt").read_text().splitlines()[2].split()
    # A quarter turn about x: w = cos 45, x = sin 45.
    np.testing.assert_allclose([float(word) for word in image[1:8]], [0.5**0.5, 0.5**0.5, 0, 0, 0, 1, 2], atol=1e-15)
    assert image[8:] == ["1", "front.png"]
    assert (folder / "points3D.txt").is_file()


@settings(deadline=None, max_examples=10)
@given(group=groups(PLAIN_NAMES, BOTH))
def test_opencv_reads_what_is_written_for_it(tmp_path_factory, group):
    folder = save(tmp_path_factory.mktemp("opencv"), "opencv", group)
    for camera in group:
        file = cv2.FileStorage(str(folder / f"{camera.name}.yml"), cv2.FILE_STORAGE_READ)
        K, D, R, T = (file.getNode(key).mat() for key in ("camera_matrix", "distortion_coefficients", "R", "T"))
        fisheye = file.getNode("fisheye_model").real() == 1
        assert fisheye == (camera.lens.name == "fisheye")
        points = points_before(camera)[:, None]
        project = cv2.fisheye.projectPoints if fisheye else cv2.projectPoints
        # OpenCV's own way from a matrix to a vector loses eight digits near half a turn.
        pixels, _ = project(points, Rotation.from_matrix(R).as_rotvec(), T, K, D)
        np.testing.assert_allclose(pixels, camera.project(points), rtol=1e-9, atol=1e-6)


@settings(deadline=None, max_examples=10)
@given(group=groups(PLAIN_NAMES))
def test_easymocap_finds_its_matrices_by_opencv(tmp_path_factory, group):
    folder = save(tmp_path_factory.mktemp("easymocap"), "easymocap", group)
    inner, outer = (cv2.FileStorage(str(folder / name), cv2.FILE_STORAGE_READ) for name in ("intri.yml", "extri.yml"))
    names = inner.getNode("names")
    assert [names.at(place).string() for place in range(names.size())] == list(group.names)
    for camera in group:
        K, D = inner.getNode(f"K_{camera.name}").mat(), inner.getNode(f"dist_{camera.name}").mat()
        R, Rot, T = (outer.getNode(f"{key}_{camera.name}").mat() for key in ("R", "Rot", "T"))
        assert (R.shape, T.shape, D.shape) == ((3, 1), (3, 1), (1, 5))
        np.testing.assert_allclose(cv2.Rodrigues(R)[0], Rot, atol=1e-12)
        size = inner.getNode(f"W_{camera.name}").real(), inner.getNode(f"H_{camera.name}").real()
        assert size == camera.size_px
        points = points_before(camera)
        pixels, _ = cv2.projectPoints(points, R, T, K, D)
        np.testing.assert_allclose(pixels[:, 0], camera.project(points), rtol=1e-9, atol=1e-6)


def test_opencap_gets_a_board_on_the_back_wall(tmp_path):
    cameras = CameraGroup((one_camera("cam10"), one_camera("cam2")))
    writing = write_calibration(cameras, codec_named("opencap"), {})
    assert list(writing.files) == [f"Cam{number}/cameraIntrinsicsExtrinsics.pickle" for number in (0, 1)]
    assert "cam2 is Cam0, cam10 is Cam1" in writing.notes[0]
    for content in writing.files.values():
        found = pickle.loads(content)  # written two lines above
        assert {key: value.shape for key, value in found.items()} == {
            "distortion": (1, 5),
            "intrinsicMat": (3, 3),
            "imageSize": (2, 1),
            "rotation": (3, 3),
            "translation": (3, 1),
            "rotation_EulerAngles": (3, 1),
        }
        assert found["imageSize"].ravel().tolist() == [720, 1280]
        np.testing.assert_allclose(found["translation"].ravel(), [0, 1000, 2000])
        np.testing.assert_allclose(cv2.Rodrigues(found["rotation_EulerAngles"])[0], found["rotation"], atol=1e-12)
        # Up in our world, z, is up in the picture: minus y of OpenCap's world and of the camera.
        np.testing.assert_allclose(found["rotation"] @ [0, -1, 0], [0, -1, 0], atol=1e-12)
        assert found["rotation"][1, 1] > 0  # by which OpenCap tells that the board is not upside down
        # A point 1 m right of the origin and 0.5 m above the floor; x of OpenCap is to the left of it.
        cv, _ = cv2.projectPoints(
            np.array([-1000.0, -500.0, 0.0]),
            found["rotation_EulerAngles"],
            found["translation"],
            found["intrinsicMat"],
            found["distortion"],
        )
        np.testing.assert_allclose(cv.ravel(), one_camera().project(np.array([1.0, 0.0, 0.5])), atol=1e-6)


@pytest.mark.parametrize("name", ["pose2sim", "qualisys", "easymocap", "opencap"])
def test_a_fisheye_is_not_written_as_something_else(name):
    cameras = CameraGroup((one_camera("wide", (0.1, 0, 0, 0), "fisheye"),))
    with pytest.raises(FileFormatError, match=r"wide: .* no fisheye lens, only brown\. .*undistort"):
        write_calibration(cameras, codec_named(name), {})


@pytest.mark.parametrize(
    ("name", "camera"),
    [
        ("easymocap", "left cam"),
        ("easymocap", "cam.1"),
        ("colmap", "left cam"),
        ("colmap", "#1"),
        ("opencv", "a/b"),
        ("opencv", "../up"),
        ("opencv", "dot."),
        ("qualisys", "Küche"),
        ("pose2sim", "metadata"),
    ],
)
def test_names_that_a_format_cannot_hold_are_refused(name, camera):
    with pytest.raises(FileFormatError, match="cannot hold the camera name") as error:
        write_calibration(CameraGroup((one_camera(camera),)), codec_named(name), {})
    assert repr(camera) in str(error.value)


def test_names_that_are_one_file_on_some_systems_are_refused():
    with pytest.raises(FileFormatError, match="capital letters"):
        write_calibration(CameraGroup((one_camera("Cam"), one_camera("cam"))), codec_named("opencv"), {})


def test_metadata_goes_from_toml_to_toml(tmp_path):
    path = save(tmp_path, "anipose", CameraGroup((one_camera(),)), {"error": 0.41, "date": "2026-01-01"})
    found = load_calibration(path)
    assert found.metadata == {"error": 0.41, "date": "2026-01-01"}
    assert "error = 0.41" in save(tmp_path, "pose2sim", found.cameras, found.metadata).read_text()


def test_rounded_rotation_matrices_are_set_right(tmp_path):
    turned = Rotation.from_rotvec([0.3, -0.2, 0.9]).as_matrix()
    T = np.eye(4)
    T[:3, :3] = turned
    path = save(tmp_path, "anipose", CameraGroup((one_camera(T=T),)))
    vector = Rotation.from_matrix(turned).as_rotvec().tolist()
    path.write_text(path.read_text().replace(str(vector), str(np.round(turned, 4).tolist())))
    found = load_cameras(path)["front"].T_cam_world[:3, :3]
    np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(found, turned, atol=1e-4)
