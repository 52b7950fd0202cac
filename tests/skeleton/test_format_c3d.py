"""C3D: the bytes against the format's own layout, foreign files, limits, and real takes."""

import struct
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clapcap.errors import FileFormatError
from skeleton.formats import c3d, trc
from skeleton.keypoints import Keypoints3D


def take(frames: int = 3, points: int = 2, rate_hz: float = 50.0) -> Keypoints3D:
    rng = np.random.default_rng(0)
    return Keypoints3D(
        names=tuple(f"point_{i}" for i in range(points)),
        xyz_m=rng.normal(size=(frames, points, 3)),
        sigma_m=np.full((frames, points), 0.0123),
        time_s=7 + np.arange(frames) / rate_hz,
        reprojection_px=np.empty((0, frames, points)),
        camera_names=(),
        filled=np.zeros((frames, points)),
    )


def test_the_bytes_follow_the_layout(tmp_path: Path):
    """Header words and float data as the C3D guide describes them."""
    keypoints = take()
    xyz = keypoints.xyz_m.copy()
    xyz[1, 1] = np.nan
    keypoints = replace(keypoints, xyz_m=xyz)
    path = tmp_path / "take.c3d"
    c3d.save(path, keypoints)
    content = path.read_bytes()
    words = struct.unpack("<10H", content[:20])
    assert content[1] == 0x50  # the mark of a C3D file
    assert words[1] == 2  # points
    assert (words[3], words[4]) == (1, 3)  # first and last frame
    assert struct.unpack("<f", content[12:16])[0] == -0.5  # negative: float data; a step of the residual, mm
    assert struct.unpack("<f", content[20:24])[0] == 50  # frame rate
    start = (words[8] - 1) * 512
    numbers = np.frombuffer(content[start : start + 3 * 2 * 16], dtype="<f4").reshape(3, 2, 4)
    seen = ~np.isnan(xyz).any(axis=-1)
    np.testing.assert_allclose(numbers[seen][:, :3], xyz[seen] * 1000, rtol=1e-7)
    np.testing.assert_array_equal(numbers[..., 3], [[25, 25], [25, -1], [25, 25]])  # 12.3 mm; -1: not there


def seen_by(cameras: int, keypoints: Keypoints3D) -> Keypoints3D:
    """Return the keypoints with reprojections in all of some cameras."""
    names = tuple(f"cam{camera}" for camera in range(cameras))
    return replace(keypoints, reprojection_px=np.ones((cameras, *keypoints.xyz_m.shape[:2])), camera_names=names)


def test_the_fourth_number_tells_sigma_cameras_filled_and_missing(tmp_path: Path):
    """Low byte: the residual; high byte: a bit for each of the first seven cameras; 0 is "interpolated"."""
    keypoints = seen_by(9, take(frames=1, points=6))
    used = keypoints.reprojection_px.copy()
    used[:, 0, :2] = np.nan
    used[[1, 2, 8], 0, 1] = 1.0
    keypoints = replace(
        keypoints,
        reprojection_px=used,
        sigma_m=[[0.0, 0.003, 0.5, np.nan, 0.01, 0.01]],
        filled=[[False, False, False, False, True, False]],
        xyz_m=np.concatenate([np.ones((1, 5, 3)), np.full((1, 1, 3), np.nan)], axis=1),
    )
    path = tmp_path / "take.c3d"
    c3d.save(path, keypoints)
    content = path.read_bytes()
    start = (struct.unpack("<H", content[16:18])[0] - 1) * 512
    words = np.frombuffer(content[start : start + 6 * 16], dtype="<f4").reshape(6, 4)[:, 3].astype(int)
    all_seven = 0b1111111 << 8
    assert words.tolist() == [1, (0b110 << 8) + 6, all_seven + 255, all_seven, 0, -1]
    pytest.importorskip("ezc3d")
    # 0 and what is beyond 127.5 mm lie at the ends of the byte; what is unknown or filled has no sigma.
    np.testing.assert_array_equal(c3d.load(path).sigma_m, [[0.0005, 0.003, 0.1275, np.nan, np.nan, np.nan]])


def test_a_large_volume_has_larger_steps(tmp_path: Path):
    """Programs that turn floats into 16 bit numbers divide by the scale: 100 m / 32000 = 3.125 mm."""
    keypoints = take()
    path = tmp_path / "take.c3d"
    c3d.save(path, replace(keypoints, xyz_m=np.full_like(keypoints.xyz_m, 100.0)))
    assert struct.unpack("<f", path.read_bytes()[12:16])[0] == -3.125
    pytest.importorskip("ezc3d")
    np.testing.assert_allclose(c3d.load(path).sigma_m, 4 * 0.003125)  # the step nearest to 12.3 mm


@pytest.mark.filterwarnings("ignore:No analog data")
@pytest.mark.parametrize(
    ("frames", "points", "rate_hz"),
    [(4, 3, 59.94), (3, 600, 120.0), (65535, 1, 240.0), (65536, 1, 29.97), (70001, 2, 240.0)],
)
def test_the_independent_reader_of_embodied_cognition_agrees(tmp_path: Path, frames: int, points: int, rate_hz: float):
    """The package c3d: more than 255 points, more than 65535 frames, odd rates, the axes, missing and filled points."""
    package = pytest.importorskip("c3d", reason="an independent reader: pip install c3d")
    keypoints = seen_by(2, take(frames, points, rate_hz))
    xyz = keypoints.xyz_m.copy()
    xyz[1, 0] = np.nan
    filled = np.zeros((frames, points), dtype=bool)
    filled[2, 0] = True
    path = tmp_path / "take.c3d"
    c3d.save(path, replace(keypoints, xyz_m=xyz, filled=filled))
    with path.open("rb") as file:
        reader = package.Reader(file)
        assert (reader.first_frame, reader.last_frame) == (1, frames)
        assert reader.point_rate == pytest.approx(rate_hz)
        assert reader.get_screen_axis() == ("+X", "+Z")
        assert reader.get("POINT:UNITS").string_value.strip() == "mm"
        labels = [str(label).strip() for label in reader.point_labels]
        assert labels == list(keypoints.names[:255])  # it knows no LABELS2
        found = np.stack([numbers for _, numbers, _ in reader.read_frames()])
    assert found.shape == (frames, points, 5)
    there = np.isfinite(xyz).all(axis=-1)
    np.testing.assert_allclose(found[there][:, :3], 1000 * xyz[there], rtol=1e-6, atol=1e-3)
    assert found[1, 0, 3] == -1
    np.testing.assert_array_equal(found[2, 0, 3:], 0)
    measured = there & ~filled
    np.testing.assert_array_equal(found[measured][:, 3], 12.5)
    np.testing.assert_array_equal(found[measured][:, 4], 0b11)


@pytest.mark.parametrize(("frames", "points"), [(4, 3), (3, 600), (70001, 2)])
def test_ezc3d_agrees(tmp_path: Path, frames: int, points: int):
    ezc3d = pytest.importorskip("ezc3d")
    keypoints = take(frames, points, 59.94)
    xyz = keypoints.xyz_m.copy()
    xyz[1, 0] = np.nan
    path = tmp_path / "take.c3d"
    c3d.save(path, replace(keypoints, xyz_m=xyz))
    document = ezc3d.c3d(str(path))
    found = document["data"]["points"]
    np.testing.assert_allclose(found[:3].transpose(2, 1, 0), 1000 * xyz, rtol=1e-6, atol=1e-3)
    assert document["data"]["meta_points"]["residuals"][0, 0, 1] == -1
    parameters = document["parameters"]
    assert parameters["POINT"]["RATE"]["value"][0] == pytest.approx(59.94)
    labels = parameters["POINT"]["LABELS"]["value"] + (parameters["POINT"]["LABELS2"]["value"] if points > 255 else [])
    assert labels[: len(keypoints.names)][:255] == list(keypoints.names[:255])
    loaded = c3d.load(path)
    assert loaded.names == keypoints.names
    np.testing.assert_allclose(loaded.time_s, keypoints.time_s, atol=1e-9)
    np.testing.assert_allclose(loaded.xyz_m, xyz, rtol=6.1e-8)


def test_y_up_metres_and_unnamed_points_of_others(tmp_path: Path):
    ezc3d = pytest.importorskip("ezc3d")
    document = ezc3d.c3d()
    document["parameters"]["POINT"]["RATE"]["value"] = [100.0]
    document["parameters"]["POINT"]["UNITS"]["value"] = ["m"]
    document["parameters"]["POINT"]["LABELS"]["value"] = ["HEAD", ""]
    document.add_parameter("POINT", "Y_SCREEN", ["+Y"])
    points = np.ones((4, 2, 2))
    points[:3, 0, 0] = (2, 3, 1)  # 3 up
    document["data"]["points"] = points
    path = tmp_path / "foreign.c3d"
    document.write(str(path))
    keypoints = c3d.load(path)
    assert keypoints.names == ("HEAD", "point_2")
    np.testing.assert_allclose(keypoints.xyz_m[0, 0], [1, 2, 3])
    np.testing.assert_allclose(keypoints.time_s, [0, 0.01])
    assert np.isnan(keypoints.sigma_m).all()


def test_limits_are_refused_with_the_numbers(tmp_path: Path):
    path = tmp_path / "take.c3d"
    with pytest.raises(FileFormatError, match=r"frame 1 lies 0\.333 frames from its place at 33\.3333 Hz"):
        c3d.save(path, replace(take(), time_s=[0, 0.02, 0.06]))
    with pytest.raises(FileFormatError, match=r"at most 255 bytes, .* has 256"):
        c3d.save(path, replace(take(), names=("é" * 128, "b")))
    with pytest.raises(FileFormatError, match="frame rate of 1e-40 Hz"):
        c3d.save(path, take(rate_hz=1e-40))
    long = tuple(f"{'p' * 240}{place}" for place in range(600))
    with pytest.raises(FileFormatError, match=r"the parameters need 2[89][0-9] blocks of 512 bytes, at most 255 fit"):
        c3d.save(path, replace(take(points=600), names=long))
    assert not path.exists()


def test_the_longest_names_that_fit_come_back(tmp_path: Path):
    """255 names of 255 bytes are more than one parameter holds: they go on in LABELS2."""
    pytest.importorskip("ezc3d")
    names = tuple(f"{place:03d}{'p' * 252}" for place in range(255))
    path = tmp_path / "take.c3d"
    c3d.save(path, replace(take(points=255), names=names))
    assert c3d.load(path).names == names


@pytest.mark.parametrize("kept", [100, 600, -1, -40])
def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, kept: int):
    pytest.importorskip("ezc3d")
    path = tmp_path / "take.c3d"
    c3d.save(path, take(frames=100))
    whole = path.read_bytes()
    path.write_bytes(whole[:kept])
    with pytest.raises(FileFormatError, match=r"take\.c3d is not a C3D file"):
        c3d.load(path)


def test_without_ezc3d_reading_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ezc3d", None)
    c3d.save(tmp_path / "take.c3d", take())  # writing needs nothing
    with pytest.raises(FileFormatError, match=r'pip install "clapcap\[c3d\]"'):
        c3d.load(tmp_path / "take.c3d")


@pytest.mark.data
def test_a_real_take_of_accad_against_the_joints_that_others_derived_from_it(data: Path, tmp_path: Path):
    """DEC floats, int16 points. The TRC's heels and toes are the markers, every 2nd frame, from the 11th on."""
    pytest.importorskip("ezc3d")
    for archive, member in (
        ("accad_c3d", "accad_c3d/female1/Female-Run.c3d"),
        ("accad_joints", "accad_joints/female1/Female-Run.trc"),
    ):
        with tarfile.open(data / "mocap" / f"{archive}.tar.xz") as packed:
            packed.extract(member, tmp_path, filter="data")
    markers = c3d.load(tmp_path / "accad_c3d/female1/Female-Run.c3d")
    joints = trc.load(tmp_path / "accad_joints/female1/Female-Run.trc")
    assert markers.xyz_m.shape == (203, 41, 3)
    np.testing.assert_allclose(np.diff(markers.time_s), 1 / 120)
    assert 0.01 < np.isnan(markers.xyz_m).any(axis=-1).mean() < 0.02
    frames = slice(10, 10 + 2 * len(joints.time_s), 2)
    for marker, joint in (("LHEE", "heel_l"), ("RHEE", "heel_r"), ("LTOE", "toe_l"), ("RTOE", "toe_r")):
        x, y, up = markers.xyz_m[frames, markers.index(f"Female1:{marker}")].T
        ours = joints.xyz_m[:, joints.index(joint)]
        seen = np.isfinite(x) & np.isfinite(ours[:, 0])
        assert seen.sum() > 50
        # The TRC is Y up by another quarter turn, so the worlds differ by one about the vertical; its digits end at
        # 0.1 mm, so they differ by half of that.
        np.testing.assert_allclose(ours[seen], np.stack([-y, x, up], axis=-1)[seen], atol=0.0000501)
