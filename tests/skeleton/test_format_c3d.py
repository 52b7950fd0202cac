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


@pytest.fixture(autouse=True)
def needs_ezc3d() -> None:
    pytest.importorskip("ezc3d")


def test_the_bytes_follow_the_layout(tmp_path: Path):
    """Header words and float data as the C3D guide describes them, without ezc3d."""
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
    assert struct.unpack("<f", content[12:16])[0] < 0  # the scale of float data
    assert struct.unpack("<f", content[20:24])[0] == 50  # frame rate
    start = (words[8] - 1) * 512
    numbers = np.frombuffer(content[start : start + 3 * 2 * 16], dtype="<f4").reshape(3, 2, 4)
    seen = ~np.isnan(xyz).any(axis=-1)
    np.testing.assert_allclose(numbers[seen][:, :3], xyz[seen] * 1000, rtol=1e-7)
    np.testing.assert_array_equal(numbers[..., 3], [[0, 0], [0, -1], [0, 0]])  # -1: not there


def test_y_up_metres_and_unnamed_points_of_others(tmp_path: Path):
    import ezc3d

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


def test_more_points_than_one_parameter_holds(tmp_path: Path):
    path = tmp_path / "many.c3d"
    many = take(points=600)
    c3d.save(path, many)
    assert c3d.load(path).names == many.names


def test_limits_are_refused_with_the_numbers(tmp_path: Path):
    path = tmp_path / "take.c3d"
    with pytest.raises(FileFormatError, match="at most 65535 frames, this take has 65536"):
        c3d.save(path, take(frames=65536, points=1))
    with pytest.raises(FileFormatError, match=r"frame 1 lies 0\.333 frames from its place at 33\.3333 Hz"):
        c3d.save(path, replace(take(), time_s=[0, 0.02, 0.06]))
    with pytest.raises(FileFormatError, match=r"at most 255 bytes, .* has 256"):
        c3d.save(path, replace(take(), names=("é" * 128, "b")))
    with pytest.raises(FileFormatError, match="frame rate of 1e-40 Hz"):  # ezc3d would end the whole process
        c3d.save(path, take(rate_hz=1e-40))
    assert not path.exists()


def test_the_longest_take_comes_back_whole(tmp_path: Path):
    path = tmp_path / "long.c3d"
    c3d.save(path, take(frames=65535, points=1))
    assert len(c3d.load(path).time_s) == 65535


def test_without_ezc3d_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ezc3d", None)
    for call in (lambda: c3d.load(tmp_path / "take.c3d"), lambda: c3d.save(tmp_path / "take.c3d", take())):
        with pytest.raises(FileFormatError, match=r'pip install "clapcap\[c3d\]"'):
            call()


@pytest.mark.data
def test_a_real_take_of_accad_against_the_joints_that_others_derived_from_it(data: Path, tmp_path: Path):
    """DEC floats, int16 points. The TRC's heels and toes are the markers, every 2nd frame, from the 11th on."""
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
