"""npz: the contracts of the design, key by key, and files that are something else."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clapcap.errors import FileFormatError
from skeleton.formats import npz
from skeleton.keypoints import Keypoints2D, Keypoints3D, Observations2D
from skeleton.motion import Motion

LOADERS = {
    "keypoints2d": npz.load_keypoints2d,
    "observations2d": npz.load_observations2d,
    "keypoints3d": npz.load_keypoints3d,
    "motion": npz.load_motion,
}
NEEDED = {
    "keypoints2d": ("names", "xy_px", "confidence", "time_s", "image_size_px"),
    "observations2d": ("camera_names", "names", "xy_px", "sigma_px", "time_s"),
    "keypoints3d": ("names", "xyz_m", "sigma_m", "time_s", "reprojection_px", "camera_names"),
    "motion": ("joint_names", "parents", "rest_offset_m", "rotation_xyzw", "root_m", "time_s"),
}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """One file of each contract, as the package writes them; under a temporary name that ends otherwise."""
    paths = {contract: tmp_path / f"{contract}.npz.part" for contract in LOADERS}
    time_s = np.array([0.0, 0.5])
    npz.save_keypoints2d(
        paths["keypoints2d"],
        Keypoints2D(("nose", "näse"), np.ones((2, 2, 2)), np.ones((2, 2)), time_s, [640, 360], np.ones((2, 2, 3))),
    )
    npz.save_observations2d(
        paths["observations2d"],
        Observations2D(("cam1",), ("nose", "näse"), np.ones((1, 2, 2, 2)), np.full((1, 2, 2), np.inf), time_s),
    )
    npz.save_keypoints3d(
        paths["keypoints3d"],
        Keypoints3D(
            ("nose", "näse"), np.ones((2, 2, 3)), np.ones((2, 2)), time_s, np.ones((1, 2, 2)), ("cam1",),
            np.ones((2, 2), dtype=bool),
        ),
    )  # fmt: skip
    npz.save_motion(
        paths["motion"],
        Motion(
            ("hips", "spine"), [-1, 0], np.ones((2, 3)), np.tile([0, 0, 0, 1.0], (2, 2, 1)), np.ones((2, 3)), time_s
        ),
    )
    return paths


def rewritten(path: Path, **changes: Any) -> Path:
    """Write the file again with some keys changed; None leaves one out."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive} | changes
    with path.open("wb") as file:
        np.savez(file, **{key: value for key, value in arrays.items() if value is not None})
    return path


@pytest.mark.parametrize("contract", LOADERS)
def test_the_keys_are_those_of_the_contract_and_nothing_is_pickled(files: dict[str, Path], contract: str):
    optional = {"keypoints2d": {"world_m"}, "keypoints3d": {"filled"}}.get(contract, set())
    with np.load(files[contract], allow_pickle=False) as archive:
        assert set(archive) == {"format", "version", *NEEDED[contract], *optional}
        assert str(archive["format"]) == f"clapcap-{contract}"
        assert int(archive["version"]) == 1
        assert all(archive[key].dtype.kind == "U" for key in archive if key.endswith("names"))


@pytest.mark.parametrize("contract", LOADERS)
def test_unknown_keys_are_ignored(files: dict[str, Path], contract: str):
    LOADERS[contract](rewritten(files[contract], note=np.array("hello")))


def test_optional_keys_may_be_missing(files: dict[str, Path]):
    assert npz.load_keypoints2d(rewritten(files["keypoints2d"], world_m=None)).world_m is None
    assert not npz.load_keypoints3d(rewritten(files["keypoints3d"], filled=None)).filled.any()


@pytest.mark.parametrize(("contract", "key"), [(contract, key) for contract, keys in NEEDED.items() for key in keys])
def test_a_missing_key_is_named(files: dict[str, Path], contract: str, key: str):
    path = rewritten(files[contract], **{key: None})
    with pytest.raises(FileFormatError, match=f"lacks {key}: clapcap-{contract} needs .*{key}") as caught:
        LOADERS[contract](path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("contract", LOADERS)
def test_the_file_of_another_stage_is_named(files: dict[str, Path], contract: str):
    for other in set(LOADERS) - {contract}:
        with pytest.raises(FileFormatError, match=f"is not clapcap-{contract}: its `format` is 'clapcap-{other}'"):
            LOADERS[contract](files[other])
    with pytest.raises(FileFormatError, match="its `format` is None"):
        LOADERS[contract](rewritten(files[contract], format=None))


@pytest.mark.parametrize("contract", LOADERS)
def test_a_newer_version_says_to_update(files: dict[str, Path], contract: str):
    with pytest.raises(FileFormatError, match=r"is version 2 of .*Update clapcap"):
        LOADERS[contract](rewritten(files[contract], version=np.array(2)))


@pytest.mark.parametrize(
    ("contract", "changes", "complaint"),
    [
        ("keypoints2d", {"xy_px": np.ones((2, 3, 2))}, r"xy_px has shape \(2, 3, 2\)"),
        ("keypoints2d", {"confidence": np.full((2, 2), 2.0)}, r"confidence lies outside \[0, 1\]"),
        ("keypoints2d", {"names": np.array([1, 2])}, "names holds int64"),
        ("keypoints2d", {"names": np.array("nose")}, "needed a list of texts"),
        ("keypoints3d", {"time_s": np.array([1.0, 1.0])}, "time_s does not increase"),
        ("keypoints3d", {"sigma_m": np.full((2, 2), -1.0)}, "sigma_m holds negative values"),
        ("keypoints3d", {"version": np.array("one")}, "invalid literal"),
        ("motion", {"parents": np.array([-1.0, 0.0])}, "parents holds float64, needed whole numbers"),
        ("motion", {"parents": np.array([-1, 1])}, "a joint comes before its parent"),
        ("motion", {"root_m": np.full((2, 3), np.nan)}, "not finite"),
    ],
)
def test_wrong_values_are_refused(files: dict[str, Path], contract: str, changes: dict[str, Any], complaint: str):
    path = rewritten(files[contract], **changes)
    with pytest.raises(FileFormatError, match=complaint) as caught:
        LOADERS[contract](path)
    assert str(path) in str(caught.value)


def test_pickled_objects_are_never_loaded(files: dict[str, Path]):
    names = np.array(["nose", "näse"], dtype=object)  # numpy pickles arrays of objects
    with pytest.raises(FileFormatError, match="allow_pickle=False"):
        npz.load_keypoints2d(rewritten(files["keypoints2d"], names=names))
