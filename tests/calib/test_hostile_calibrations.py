"""Broken and hostile files: an error that names the file and what to do, and nothing that runs or grows."""

import pickle

import pytest

from calib.formats.checks import LARGEST_PICTURE_PX
from calib.formats.source import LARGEST_FILE_BYTES
from calib.interchange import load_cameras
from clapcap.errors import FileFormatError

GOOD = {
    "size": "[640, 480]",
    "matrix": "[[600, 0, 320], [0, 600, 240], [0, 0, 1]]",
    "distortions": "[0, 0, 0, 0, 0]",
    "rotation": "[0, 0, 0]",
    "translation": "[0, 0, 1]",
}


def table(key="cam_0", **changed):
    return f"[{key}]\n" + "".join(f"{what} = {value}\n" for what, value in (GOOD | changed).items() if value)


def refused(path, match):
    with pytest.raises(FileFormatError, match=match) as error:
        load_cameras(path)
    assert str(path) in str(error.value) or str(path.parent) in str(error.value)
    assert len(str(error.value)) < 600


def test_the_good_table_is_read(tmp_path):
    (tmp_path / "c.toml").write_text(table())
    assert load_cameras(tmp_path / "c.toml").names == ("cam_0",)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (table(size=""), r"\[cam_0\] lacks size, needed size, matrix"),
        (table(size="[640]"), r"has size of 1 number, needed 2 numbers"),
        (table(size="[0, 480]"), f"picture of 0 x 480 px, needed whole numbers from 1 to {LARGEST_PICTURE_PX}"),
        (table(size="[640.5, 480]"), r"picture of 640\.5 x 480 px"),
        (table(size="[1e300, 480]"), r"picture of 1e\+300 x 480 px"),
        (table(size=f"[{'9' * 400}, 480]"), r"has size = \[9+\.\.\., needed 2 numbers"),
        (table(size=f"[{'9' * 5000}, 480]"), "is no TOML file"),
        (table(size='["640", "480"]'), r"has size = \['640', '480'\]"),
        (table(size="true"), "has size = True"),
        (table(matrix="[[600, 0, 320], [0, 600, 240]]"), "has matrix of 2 x 3 numbers, needed 3 x 3 numbers"),
        (table(matrix="[[600, 0, 320], [0, 600], [0, 0, 1]]"), "has matrix = "),
        (table(matrix="[[600, 0, 320], [0, 600, 240], [0, 0, 2]]"), r"needed \[\[fx, 0, cx\]"),
        (table(matrix="[[-600, 0, 320], [0, 600, 240], [0, 0, 1]]"), r"needed \[\[fx, 0, cx\]"),
        (table(matrix="[[600, 5, 320], [0, 600, 240], [0, 0, 1]]"), "has a skew of 5 px, needed none"),
        (table(matrix="[[inf, 0, 320], [0, 600, 240], [0, 0, 1]]"), "must be finite"),
        (table(distortions="[0, 0, 0, 0, 0, 0.1, 0, 0]"), "has 8 distortions, needed at most k1, k2, p1, p2, k3"),
        (table(distortions="[0, 0, 0]"), "has 3 distortions, needed 4 or 5"),
        (table(distortions="{k1 = 0.1}"), "has distortions = "),
        (table(distortions="[0, 0, 0, 0, 0.1]\nfisheye = true"), "needed at most k1, k2, k3, k4, as the fisheye"),
        (table(rotation="[0, 0, nan]"), "must be finite"),
        (table(rotation="[[1, 0, 0], [0, 1, 0], [0, 0, 1.1]]"), "rotation matrix that is off by 0.21"),
        (table(rotation="[[1, 0, 0], [0, 1, 0], [0, 0, -1]]"), "mirrors the world"),
        (table(translation="[0, 0]"), "has translation of 2 numbers"),
        (table("a", name='"same"') + table("b", name='"same"'), "camera names repeat: same"),
        ("a = " + "[" * 100_000, "no TOML"),
        ("", "holds no camera"),
        ("just some words", "no TOML"),
        ("cameras = 3\n", "holds no camera"),
    ],
)
def test_broken_tables_are_named(tmp_path, text, match):
    (tmp_path / "c.toml").write_text(text)
    refused(tmp_path / "c.toml", match)


class Danger:
    """A pickle of it would make a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["cameraIntrinsicsExtrinsics.pickle", "cameras.toml", "intri.yml"])
def test_pickles_are_refused_unread(tmp_path, protocol, name):
    (tmp_path / name).write_bytes(pickle.dumps(Danger(tmp_path / "ran"), protocol))
    (tmp_path / "extri.yml").touch()
    refused(tmp_path / name, "is a pickle. Pickles are not read, since they can run any code")
    (tmp_path / name).write_bytes(pickle.dumps({"intrinsicMat": [1.0]}, protocol))
    refused(tmp_path / name, "is a pickle")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "cp037"])
def test_xml_with_entities_is_refused_in_any_encoding(tmp_path, encoding):
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE x [<!ENTITY a0 "ha">{laughs}]><x>&a9;</x>'
    (tmp_path / "c.qca.txt").write_bytes(text.encode(encoding))
    refused(tmp_path / "c.qca.txt", "entities" if encoding == "utf-8" else "is no text")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("<calibration>", "as XML it fails"),
        ("<opencv_storage/>", "holds no active camera"),
        ('<c><camera active="0" serial="a"><intrinsic/></camera></c>', "holds no active camera"),
        ('<c><camera active="1" serial="a"><intrinsic/></camera></c>', "camera a lacks fov_video"),
        ('<c><camera active="1"><intrinsic/></camera></c>', "camera 1 has no serial"),
        (
            '<c><camera serial="a"><intrinsic/><fov_video left="0" right="x" top="0" bottom="9"/></camera></c>',
            "camera a has fov_video right = 'x', needed a number",
        ),
        (
            '<c><camera serial="a"><intrinsic/><fov_video left="0" right="inf" top="0" bottom="9"/></camera></c>',
            "needed a finite number",
        ),
    ],
)
def test_broken_xml_is_named(tmp_path, text, match):
    (tmp_path / "c.qca.txt").write_text(text)
    refused(tmp_path / "c.qca.txt", match)


MATRIX = "camera_matrix: !!opencv-matrix\n   rows: {rows}\n   cols: 3\n   dt: d\n   data: [ {data} ]\n"
NINE = "600, 0, 320, 0, 600, 240, 0, 0, 1"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (MATRIX.format(rows=999999999, data=NINE), "camera_matrix holds 9 numbers, needed 999999999 x 3"),
        (MATRIX.format(rows=3, data=NINE.replace("240", "x")), "holds what is no number"),
        (MATRIX.format(rows=3, data=NINE.replace("240", ".Nan")), "holds what is no number"),
        (MATRIX.format(rows=3, data=NINE.replace("240", "nan")), "must be finite"),
        (MATRIX.format(rows=2, data="1, 2, 3, 4, 5, 6"), "has data of 2 x 3 numbers, needed 3 x 3"),
        ("camera_matrix: 5\n", "camera_matrix is '5', needed an OpenCV matrix"),
        (MATRIX.format(rows=3, data=NINE) * 2, '"camera_matrix" is there twice'),
        ("image_height: tall\n" + MATRIX.format(rows=3, data=NINE), "image_height is 'tall', needed a number"),
        ("<<<\n" + MATRIX.format(rows=3, data=NINE), "line 2: '<<<' is no entry of an OpenCV YAML file"),
        (f"a: &a [{'x, ' * 9}]\nb: &b [*a, *a]\n", "says nothing about where the camera stands"),
    ],
)
def test_broken_yaml_is_named(tmp_path, text, match):
    pose = "extrinsic_parameters:\n   rows: 1\n   cols: 6\n   data: [ 0, 0, 0, 0, 0, 1 ]\n"
    rest = "image_width: 640\n" + ("" if "image_height" in text else "image_height: 480\n")
    dist = "D:\n   rows: 1\n   cols: 4\n   data: [ 0, 0, 0, 0 ]\n"
    (tmp_path / "c.yml").write_text("%YAML:1.0\n" + text + ("" if "&a" in text else rest + dist + pose))
    refused(tmp_path / "c.yml", match)


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "c.toml").write_bytes(table().encode() + b"\xff\xfe")
    refused(tmp_path / "c.toml", "is no text: byte .* is not UTF-8")
    (tmp_path / "c.toml").write_bytes(b"PK\x03\x04\x00\x00")
    refused(tmp_path / "c.toml", "zero bytes")


def test_a_file_beyond_any_calibration_is_not_read(tmp_path):
    with (tmp_path / "c.toml").open("wb") as file:
        file.truncate(LARGEST_FILE_BYTES + 1)
    refused(tmp_path / "c.toml", "has more than 256 MB")


def test_folders_without_a_calibration_say_what_is_looked_for(tmp_path):
    refused(tmp_path, r"intri\.yml and extri\.yml \(EasyMocap\), cameras\.txt and images\.txt \(COLMAP\)")
