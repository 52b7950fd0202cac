"""Every codec brings back what its docstring says that it keeps, for whatever keypoints there may be."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from clapcap.errors import FileFormatError
from skeleton.formats import KEYPOINTS3D_CODECS, load_keypoints3d, npz, save_keypoints3d
from skeleton.keypoints import Keypoints2D, Keypoints3D
from skeleton.motion import Motion

SUFFIXES = tuple(KEYPOINTS3D_CODECS)

names = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], include_characters=" "), min_size=1, max_size=8
)
names = names.filter(lambda name: name.isprintable() and name == name.strip() != "")
coordinates = st.floats(-1e9, 1e9) | st.just(np.nan) | st.floats(-3, 3)
sigmas = st.floats(0, 1e3) | st.just(np.nan)
profile = settings(deadline=None, max_examples=60)


def increasing(frames: int) -> st.SearchStrategy[np.ndarray]:
    """Times of any size, among them those of a wall clock in seconds since 1970 and far beyond."""
    times = st.lists(st.floats(-1e15, 1e15), min_size=frames, max_size=frames, unique=True)
    return times.map(lambda values: np.sort(values))


@st.composite
def evenly_spaced(draw: st.DrawFn, frames: int) -> np.ndarray:
    start = draw(st.floats(-1e6, 1e6))
    return start + np.arange(frames) / draw(st.sampled_from([15, 24, 25, 29.97, 30, 59.94, 60, 120, 240]))


@st.composite
def takes(draw: st.DrawFn, even: bool = False) -> Keypoints3D:
    points = tuple(draw(st.lists(names, min_size=1, max_size=4, unique=True)))
    cameras = tuple(draw(st.lists(names, max_size=3, unique=True)))
    frames = draw(st.integers(1, 5))
    shape = (frames, len(points))
    return Keypoints3D(
        names=points,
        xyz_m=draw(arrays(np.float64, (*shape, 3), elements=coordinates)),
        sigma_m=draw(arrays(np.float64, shape, elements=sigmas)),
        time_s=draw(evenly_spaced(frames) if even else increasing(frames)),
        reprojection_px=draw(arrays(np.float64, (len(cameras), *shape), elements=coordinates)),
        camera_names=cameras,
        filled=draw(arrays(np.bool_, shape)),
    )


def there_and_back(folder: Path, suffix: str, keypoints: Keypoints3D) -> Keypoints3D:
    path = folder / f"take{suffix}"
    save_keypoints3d(path, keypoints)
    first = path.read_bytes()
    loaded = load_keypoints3d(path)
    save_keypoints3d(path, loaded)
    again = load_keypoints3d(path)
    np.testing.assert_array_equal(again.xyz_m, loaded.xyz_m)  # what is lost, is lost at once
    np.testing.assert_array_equal(again.time_s, loaded.time_s)
    save_keypoints3d(path, keypoints)
    assert path.read_bytes() == first  # the same input gives the same bytes
    return loaded


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("takes")


def assert_bare(loaded: Keypoints3D) -> None:
    assert loaded.camera_names == ()
    assert loaded.reprojection_px.shape == (0, *loaded.xyz_m.shape[:2])


@profile
@given(takes())
def test_npz_keeps_everything(folder: Path, keypoints: Keypoints3D):
    loaded = there_and_back(folder, ".npz", keypoints)
    assert (loaded.names, loaded.camera_names) == (keypoints.names, keypoints.camera_names)
    for what in ("xyz_m", "sigma_m", "time_s", "reprojection_px", "filled"):
        np.testing.assert_array_equal(getattr(loaded, what), getattr(keypoints, what))


@profile
@given(takes())
def test_csv_keeps_all_but_the_cameras(folder: Path, keypoints: Keypoints3D):
    loaded = there_and_back(folder, ".csv", keypoints)
    assert loaded.names == keypoints.names
    for what in ("xyz_m", "time_s", "filled"):
        np.testing.assert_array_equal(getattr(loaded, what), getattr(keypoints, what))
    np.testing.assert_allclose(loaded.sigma_m, keypoints.sigma_m, rtol=2e-15)  # metres, millimetres, metres
    assert_bare(loaded)


@profile
@given(takes())
def test_trc_keeps_positions_and_times_exactly(folder: Path, keypoints: Keypoints3D):
    loaded = there_and_back(folder, ".trc", keypoints)
    assert loaded.names == keypoints.names
    np.testing.assert_array_equal(loaded.xyz_m, keypoints.xyz_m)
    np.testing.assert_array_equal(loaded.time_s, keypoints.time_s)
    assert np.isnan(loaded.sigma_m).all()
    assert not loaded.filled.any()
    assert_bare(loaded)


@profile
@given(takes())
def test_json_keeps_whole_points_and_times_exactly(folder: Path, keypoints: Keypoints3D):
    loaded = there_and_back(folder, ".json", keypoints)
    whole = np.isfinite(keypoints.xyz_m).all(axis=-1)
    assert loaded.names == keypoints.names
    np.testing.assert_array_equal(loaded.xyz_m, np.where(whole[..., None], keypoints.xyz_m, np.nan))
    np.testing.assert_array_equal(loaded.time_s, keypoints.time_s)
    np.testing.assert_array_equal(loaded.filled, keypoints.filled & whole)
    np.testing.assert_allclose(loaded.sigma_m, np.where(whole, keypoints.sigma_m, np.nan), rtol=2e-15)
    assert_bare(loaded)


@profile
@given(takes(even=True))
def test_c3d_keeps_positions_as_float32_millimetres(folder: Path, keypoints: Keypoints3D):
    pytest.importorskip("ezc3d")
    loaded = there_and_back(folder, ".c3d", keypoints)
    whole = np.isfinite(keypoints.xyz_m).all(axis=-1)
    assert loaded.names == keypoints.names
    expected = np.where(whole[..., None], keypoints.xyz_m, np.nan)
    # Half a step of a float32 is 2^-24 = 6e-8; below 1e-38 mm float32 loses digits.
    np.testing.assert_allclose(loaded.xyz_m, expected, rtol=6.1e-8, atol=1e-41)
    # The times were equally spaced but for their own last digits (1e-10 s at 1e6 s), which the mean rate smooths.
    np.testing.assert_allclose(loaded.time_s, keypoints.time_s, rtol=0, atol=1e-9)
    # Sigma is a byte in steps of 0.5 mm, or of the largest coordinate / 32000; a filled point has none.
    step = max(0.0005, np.abs(np.where(whole[..., None], keypoints.xyz_m, 0)).max() / 32000)
    known = whole & ~keypoints.filled & np.isfinite(keypoints.sigma_m)
    np.testing.assert_array_equal(np.isfinite(loaded.sigma_m), known)
    stored = np.clip(keypoints.sigma_m[known], step, 255 * step)
    np.testing.assert_allclose(loaded.sigma_m[known], stored, rtol=1e-6, atol=0.51 * step)
    assert not loaded.filled.any()
    assert_bare(loaded)


@profile
@given(takes(), st.booleans(), st.data())
def test_npz_keeps_keypoints2d(folder: Path, take: Keypoints3D, world: bool, data: st.DataObject):
    shape = take.xyz_m.shape[:2]
    keypoints = Keypoints2D(
        names=take.names,
        xy_px=take.xyz_m[..., :2],
        confidence=data.draw(arrays(np.float64, shape, elements=st.floats(0, 1))),
        time_s=take.time_s,
        image_size_px=np.array([1920, 1080]),
        world_m=take.xyz_m if world else None,
    )
    path = folder / "cam1.npz"
    npz.save_keypoints2d(path, keypoints)
    loaded = npz.load_keypoints2d(path)
    assert loaded.names == keypoints.names
    for what in ("xy_px", "confidence", "time_s", "image_size_px"):
        np.testing.assert_array_equal(getattr(loaded, what), getattr(keypoints, what))
    if world:
        np.testing.assert_array_equal(loaded.world_m, keypoints.world_m)
    else:
        assert loaded.world_m is None


@profile
@given(takes(), st.integers(0, 2**32 - 1))
def test_npz_keeps_motions(folder: Path, take: Keypoints3D, seed: int):
    rng = np.random.default_rng(seed)
    frames, joints = take.xyz_m.shape[:2]
    motion = Motion(
        joint_names=take.names,
        parents=np.array([-1, *(rng.integers(0, joint) for joint in range(1, joints))]),
        rest_offset_m=rng.normal(size=(joints, 3)),
        rotation_xyzw=Rotation.random(frames * joints, random_state=seed).as_quat().reshape(frames, joints, 4),
        root_m=rng.normal(size=(frames, 3)),
        time_s=take.time_s,
    )
    path = folder / "motion.npz"
    npz.save_motion(path, motion)
    assert npz.load_motion(path).sigma_m is None
    motion = replace(
        motion,
        sigma_m=rng.uniform(size=(frames, joints)),
        inferred=rng.random((frames, joints)) < 0.5,
        contact_names=("left_heel", "right_heel"),
        contact=rng.random((frames, 2)) < 0.5,
    )
    npz.save_motion(path, motion)
    loaded = npz.load_motion(path)
    assert loaded.contact_names == motion.contact_names
    for what in ("sigma_m", "inferred", "contact"):
        np.testing.assert_array_equal(getattr(loaded, what), getattr(motion, what))
    assert loaded.joint_names == motion.joint_names
    for what in ("parents", "rest_offset_m", "rotation_xyzw", "root_m", "time_s"):
        np.testing.assert_array_equal(getattr(loaded, what), getattr(motion, what))


def one_frame(name: str = "nose") -> Keypoints3D:
    return Keypoints3D((name,), [[[1, 2, 3]]], [[0.01]], [0.5], np.empty((0, 1, 1)), (), [[False]])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_observed_keeps_the_names(tmp_path: Path, suffix: str):
    if suffix == ".c3d":
        pytest.importorskip("ezc3d")
    empty = replace(one_frame(), xyz_m=np.full((1, 1, 3), np.nan), sigma_m=np.full((1, 1), np.nan))
    loaded = there_and_back(tmp_path, suffix, empty)
    assert loaded.names == ("nose",)
    assert np.isnan(loaded.xyz_m).all()
    np.testing.assert_array_equal(loaded.time_s, [0.5])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["", " nose", "nose ", "no\tse", "no\nse", "no\x00se", "\ud800"])
def test_names_that_would_not_survive_are_refused(tmp_path: Path, suffix: str, name: str):
    if suffix == ".c3d":
        pytest.importorskip("ezc3d")
    path = tmp_path / f"take{suffix}"
    with pytest.raises(FileFormatError, match=r"cannot be written.*Rename it") as caught:
        save_keypoints3d(path, one_frame(name))
    assert str(path) in str(caught.value)
    assert not path.exists()


@pytest.mark.parametrize("suffix", [".csv", ".trc", ".json", ".c3d"])
def test_takes_without_frames_are_refused(tmp_path: Path, suffix: str):
    if suffix == ".c3d":
        pytest.importorskip("ezc3d")
    empty = Keypoints3D(("nose",), np.empty((0, 1, 3)), np.empty((0, 1)), [], np.empty((0, 0, 1)), (), np.empty((0, 1)))
    with pytest.raises(FileFormatError, match="0 frames of 1 points"):
        save_keypoints3d(tmp_path / f"take{suffix}", empty)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"\n\n", b"PK", b"hello\nworld\n", bytes(range(256)) * 8, b"[1, 2]", b"{}"])
def test_files_of_another_kind_are_refused(tmp_path: Path, suffix: str, content: bytes):
    if suffix == ".c3d":
        pytest.importorskip("ezc3d")
    path = tmp_path / f"take{suffix}"
    path.write_bytes(content)
    with pytest.raises(FileFormatError) as caught:
        load_keypoints3d(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_cut_short_are_refused(tmp_path: Path, suffix: str):
    if suffix == ".c3d":
        pytest.importorskip("ezc3d")
    rng = np.random.default_rng(0)
    points = tuple(f"point{i}" for i in range(20))
    take = Keypoints3D(
        points,
        rng.normal(size=(30, 20, 3)),
        np.ones((30, 20)),
        np.arange(30) / 30,
        np.empty((0, 30, 20)),
        (),
        np.zeros((30, 20)),
    )
    path = tmp_path / f"take{suffix}"
    save_keypoints3d(path, take)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(FileFormatError) as caught:
        load_keypoints3d(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_missing_file_and_missing_folder(tmp_path: Path, suffix: str):
    if suffix == ".c3d":
        pytest.importorskip("ezc3d")
    with pytest.raises(FileFormatError, match=r"cannot be read: No such file"):
        load_keypoints3d(tmp_path / f"none{suffix}")
    with pytest.raises(FileNotFoundError):
        save_keypoints3d(tmp_path / "none" / f"take{suffix}", one_frame())


def test_other_suffixes_say_which_there_are(tmp_path: Path):
    for path in (tmp_path / "take.xlsx", tmp_path / "take"):
        with pytest.raises(FileFormatError, match=r"Use one of \.npz, \.csv, \.trc, \.json, \.c3d"):
            save_keypoints3d(path, one_frame())
    save_keypoints3d(tmp_path / "TAKE.TRC", one_frame())
    assert load_keypoints3d(tmp_path / "TAKE.TRC").names == ("nose",)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk without room")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_is_no_success(tmp_path: Path, suffix: str):
    if suffix == ".c3d":
        pytest.importorskip("ezc3d")
    path = tmp_path / f"take{suffix}"
    path.symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left|disk full"):
        save_keypoints3d(path, one_frame())


NOTE = "Depth is inferred from one view (cam1), not measured; scale from the default height of 1.75 m."


@pytest.mark.parametrize("suffix", [".npz", ".c3d", ".json"])
def test_a_note_stays_with_the_points_where_the_format_can_hold_it(tmp_path: Path, suffix: str):
    if suffix == ".c3d":
        pytest.importorskip("ezc3d")
    shape = (4, 2)
    keypoints = Keypoints3D(
        ("a", "b"), np.ones((*shape, 3)), np.full(shape, 0.01), np.arange(4) / 60, np.zeros((0, *shape)), (),
        np.zeros(shape, dtype=bool), NOTE,
    )  # fmt: skip
    assert there_and_back(tmp_path, suffix, keypoints).note == NOTE
    assert there_and_back(tmp_path, suffix, replace(keypoints, note="")).note == ""
