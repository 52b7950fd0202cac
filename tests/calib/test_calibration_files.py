import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from calib.cameras import Camera, CameraGroup
from calib.formats.anipose_toml import save_anipose_toml
from calib.interchange import adapt_to_size, load_cameras
from clapcap.errors import CalibrationError, FileFormatError


def camera(name="cam", size=(1280, 720), focal=900.0, T=None):
    matrix = np.array([[focal, 0, (size[0] - 1) / 2], [0, focal, (size[1] - 1) / 2], [0, 0, 1]])
    return Camera(name, size, matrix, np.array([-0.1, 0.02, 1e-3, -2e-3, 0.0]), np.eye(4) if T is None else T)


def numbers(count, limit):
    return arrays(np.float64, count, elements=st.floats(-limit, limit, allow_subnormal=False))


@st.composite
def groups(draw):
    count = draw(st.integers(1, 12))
    names = draw(st.lists(st.text(min_size=1, max_size=8), min_size=count, max_size=count, unique=True))
    cameras = []
    for name in names:
        T = np.eye(4)
        T[:3, :3] = Rotation.from_rotvec(draw(numbers(3, 1.7))).as_matrix()
        T[:3, 3] = draw(numbers(3, 100))
        fx, fy = draw(st.floats(10, 1e4)), draw(st.floats(10, 1e4))
        matrix = np.array([[fx, 0, draw(st.floats(0, 4000))], [0, fy, draw(st.floats(0, 4000))], [0, 0, 1]])
        size = (draw(st.integers(16, 8000)), draw(st.integers(16, 8000)))
        cameras.append(Camera(name, size, matrix, draw(numbers(5, 1)), T))
    return CameraGroup(tuple(cameras))


def assert_same(one, other, atol=1e-12):
    assert one.names == other.names
    for a, b in zip(one, other, strict=True):
        assert a.size_px == b.size_px
        np.testing.assert_array_equal(a.matrix, b.matrix)
        np.testing.assert_array_equal(a.distortion, b.distortion)
        np.testing.assert_allclose(a.T_cam_world, b.T_cam_world, atol=atol)


@given(group=groups())
def test_cameras_toml_round_trips(tmp_path_factory, group):
    path = tmp_path_factory.mktemp("toml") / "cameras.toml"
    save_anipose_toml(path, group, {"error": 0.5})
    assert_same(load_cameras(path), group)


def test_aniposelib_reads_our_file_and_we_read_theirs(tmp_path):
    from aniposelib.cameras import CameraGroup as AniposeGroup

    T = np.eye(4)
    T[:3, :3] = Rotation.from_rotvec([0.3, -0.2, 0.1]).as_matrix()
    T[:3, 3] = [0.1, 0.2, 3.0]
    group = CameraGroup((camera("left"), camera("right", T=T)))
    save_anipose_toml(tmp_path / "ours.toml", group, {"date": "2026-01-01"})
    theirs = AniposeGroup.load(str(tmp_path / "ours.toml"))
    xyz = np.array([[0.1, 0.2, 2.0], [-0.3, 0.1, 2.5]])
    np.testing.assert_allclose(theirs.project(xyz).reshape(2, 2, 2), group.project(xyz), atol=1e-9)
    theirs.dump(str(tmp_path / "theirs.toml"))
    assert_same(load_cameras(tmp_path / "theirs.toml"), group)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[cam_0", "no TOML"),
        ("a = 1", "holds no camera"),
        ("[cam_0]\nmatrix = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]", "lacks size, distortions, rotation, translation"),
        ('[metadata]\nunits = "feet"\n[cam_0]\nmatrix = 1', '"feet"'),
        (
            "[c]\nsize = [1, 1]\nmatrix = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]\ndistortions = [0]\nrotation = [0, 0, 0]\n"
            "translation = [nan, 0, 0]",
            "must be finite",
        ),
        (
            '[c]\nlens = "odd"\nsize = [1, 1]\nmatrix = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]\ndistortions = [0]\n'
            "rotation = [0, 0, 0]\ntranslation = [0, 0, 0]",
            '"odd" is no lens model',
        ),
    ],
)
def test_broken_tomls_are_named(tmp_path, text, what):
    path = tmp_path / "cameras.toml"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=what) as error:
        load_cameras(path)
    assert str(path) in str(error.value)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileFormatError, match="cannot be read"):
        load_cameras(tmp_path / "nowhere.toml")
    (tmp_path / "cameras.pickle").write_bytes(b"\x80\x04\x95\x00")
    with pytest.raises(FileFormatError, match="Pickles are not read"):
        load_cameras(tmp_path / "cameras.pickle")
    (tmp_path / "bomb.qca.txt").write_text('<!DOCTYPE x [<!ENTITY a "aaa">]><calibration>&a;</calibration>')
    with pytest.raises(FileFormatError, match="entities"):
        load_cameras(tmp_path / "bomb.qca.txt")
    (tmp_path / "empty.qca.txt").write_text("<calibration><cameras/></calibration>")
    with pytest.raises(FileFormatError, match="no Qualisys calibration"):
        load_cameras(tmp_path / "empty.qca.txt")


def test_a_qualisys_camera_by_hand(tmp_path):
    # It stands at x = 2 m, 1 m high, and looks along -x; z of its frame is backwards: +x. Its right is +y, its up +z.
    (tmp_path / "one.qca.txt").write_text(
        '<calibration><cameras><camera active="1" serial="side"><fov_video left="0" right="639" top="0" bottom="479"/>'
        '<transform r11="0" r12="1" r13="0" r21="0" r22="0" r23="1" r31="1" r32="0" r33="0" x="2000" y="0" z="1000"/>'
        '<intrinsic focalLengthU="32000" focalLengthV="32000" centerPointU="20480" centerPointV="15360" skew="0"'
        ' radialDistortion1="0" radialDistortion2="0" radialDistortion3="0" tangentalDistortion1="0"'
        ' tangentalDistortion2="0"/></camera></cameras></calibration>'
    )
    side = load_cameras(tmp_path / "one.qca.txt")["side"]
    assert side.size_px == (640, 480)
    np.testing.assert_allclose(side.center_m, [2, 0, 1])
    # 2 m ahead, 1 m to the right and 0.5 m up, focal length 500 px: 250 px right of and 125 px above (320, 240).
    np.testing.assert_allclose(side.project(np.array([0.0, 1.0, 1.5])), [570, 115])


def test_scaling_a_picture_scales_its_camera():
    half = adapt_to_size(camera(), (640, 360))
    point = np.array([0.3, -0.1, 1.0])
    # The middle of pixel (0, 0) lies half a pixel inside: x -> (x + 0.5) / 2 - 0.5.
    np.testing.assert_allclose(half.project(point), (camera().project(point) + 0.5) / 2 - 0.5)


@pytest.mark.parametrize(("how", "scale"), [("fit", 1080 / 1088), ("fill", 1.0), ("crop", 1.0)])
def test_middles_stay_in_the_middle(how, scale):
    adapted = adapt_to_size(camera(size=(1088, 1920)), (1080, 1920), how)
    assert adapted.matrix[0, 0] == pytest.approx(900 * scale)
    np.testing.assert_allclose(adapted.matrix[:2, 2], [539.5, 959.5])
    assert adapted.size_px == (1080, 1920)


def test_other_shapes_need_a_word():
    with pytest.raises(CalibrationError, match="another shape"):
        adapt_to_size(camera(), (1280, 960))
    with pytest.raises(CalibrationError, match="turned by 90 degrees"):
        adapt_to_size(camera(), (720, 1280))
    assert adapt_to_size(camera(), (1280, 960), "crop").matrix[0, 0] == 900
