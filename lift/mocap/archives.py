"""Reading the archives once: all sequences in one file of plain arrays, known by the digest of its sources."""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapcap.errors import FileFormatError
from clapcap.progress import Progress, silent
from lift.mocap.asf_amc import Bone, read_amc, read_asf
from lift.mocap.bvh import read_bvh_joints
from lift.mocap.convert import Recorded, convert, frames_to_skip
from lift.mocap.index import Sequence, read_index
from lift.mocap.posed import PosedJoints
from lift.points import POINTS
from skeleton.formats import trc

VERSION = 1
"""Counts up when what is made of the archives changes: caches of another version are made anew."""

LARGEST_FILE = 64 * 2**20
"""Bytes that a file in an archive may have; the largest has 9 MB. Archives may be crafted to fill a disk or a
memory."""

SHORTEST_FRAMES = 30
"""Sequences below half a second teach no motion."""


@dataclass(frozen=True, eq=False)
class Motions:
    """Sequences behind each other.

    Attributes
    ----------
    xyz_m
        (frames, points, 3), float32, of `body18`: metres, Z up, 60 Hz; NaN: not recorded.
    contact
        (frames, 2), int8: left and right foot; 1 stands, 0 does not, -1 not known.
    start
        (sequences + 1,): sequence k has the frames start[k] to start[k + 1].
    stature_m
        (sequences,): each body's height.
    path, subject, activity, split, licence
        (sequences,): as the index says.
    """

    xyz_m: npt.NDArray[np.float32]
    contact: npt.NDArray[np.int8]
    start: npt.NDArray[np.int64]
    stature_m: npt.NDArray[np.float64]
    path: npt.NDArray[np.str_]
    subject: npt.NDArray[np.str_]
    activity: npt.NDArray[np.str_]
    split: npt.NDArray[np.str_]
    licence: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.path)

    def frames(self, sequence: int) -> slice:
        """Return where a sequence's frames are."""
        return slice(int(self.start[sequence]), int(self.start[sequence + 1]))

    def of(self, split: str) -> npt.NDArray[np.int64]:
        """Return the sequences of a set."""
        return np.flatnonzero(self.split == split)


_ARRAYS = ("xyz_m", "contact", "start", "stature_m", "path", "subject", "activity", "split", "licence")


def load_motions(folder: Path, cache: Path, progress: Progress = silent) -> Motions:
    """Return all sequences of a folder of archives, from the cache if it was made of the very same files.

    Parameters
    ----------
    folder
        Holds index.csv, split.json and the archives.
    cache
        A folder for the cache file `mocap-DIGEST.npz` (about 85 MB); made if it is not there.
    progress
        Is told how many sequences are read.

    Raises
    ------
    FileFormatError
        A file is missing or breaks its format.
    """
    sequences = read_index(folder)
    target = cache / f"mocap-{digest(folder, sequences)}.npz"
    if target.is_file():
        return _load(target)
    made = _gathered(sequences, _all_recorded(folder, sequences, progress))
    cache.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".partial-{target.name}")
    try:
        np.savez(partial, **{name: getattr(made, name) for name in _ARRAYS})
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return made


def digest(folder: Path, sequences: tuple[Sequence, ...]) -> str:
    """Return the digest of the index, the split, the archives that they name, and how they are read."""
    whole = hashlib.sha256(f"{VERSION} {POINTS}".encode())
    source = Path(__file__).with_name("convert.py").parent.parent / "data" / "mocap_sources.toml"
    for path in (source, folder / "index.csv", folder / "split.json", *_archives(folder, sequences)):
        try:
            with path.open("rb") as file:
                while block := file.read(2**22):
                    whole.update(block)
        except OSError as error:
            raise FileFormatError(f"{path}: cannot be read ({error.strerror}); index.csv names files in it.") from error
    return whole.hexdigest()[:16]


def _archives(folder: Path, sequences: tuple[Sequence, ...]) -> list[Path]:
    return [folder / f"{name}.tar.xz" for name in sorted({sequence.archive for sequence in sequences})]


def _load(path: Path) -> Motions:
    try:
        with np.load(path, allow_pickle=False) as file:
            return Motions(**{name: file[name] for name in _ARRAYS})
    except (OSError, ValueError, KeyError) as error:
        raise FileFormatError(f"{path}: the cache is damaged ({error}). Delete it; it is made again.") from error


def _gathered(sequences: tuple[Sequence, ...], recorded: dict[str, Recorded]) -> Motions:
    """Return the sequences in the order of the index; too short ones, and those without a whole body, are left out."""
    kept = [s for s in sequences if len(recorded[s.path].xyz_m) >= SHORTEST_FRAMES and recorded[s.path].stature_m > 0]
    lengths = [len(recorded[s.path].xyz_m) for s in kept]
    return Motions(
        xyz_m=np.concatenate([recorded[s.path].xyz_m for s in kept]).astype(np.float32),
        contact=np.concatenate([recorded[s.path].contact for s in kept]),
        start=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        stature_m=np.array([recorded[s.path].stature_m for s in kept]),
        path=np.array([s.path for s in kept]),
        subject=np.array([s.subject for s in kept]),
        activity=np.array([s.activity for s in kept]),
        split=np.array([s.split for s in kept]),
        licence=np.array([s.licence for s in kept]),
    )


def _all_recorded(folder: Path, sequences: tuple[Sequence, ...], progress: Progress) -> dict[str, Recorded]:
    by_path = {sequence.path: sequence for sequence in sequences}
    recorded: dict[str, Recorded] = {}
    for archive in _archives(folder, sequences):
        skeletons: dict[str, tuple[Bone, ...]] = {}
        waiting: dict[str, list[tuple[Sequence, str]]] = {}
        for name, text in _texts(archive):
            here = name.rsplit("/", 1)[0]
            if name.endswith(".asf"):
                skeletons[here] = read_asf(text, name)
                for sequence, motion in waiting.pop(here, []):
                    recorded[sequence.path] = _read(sequence, motion, skeletons[here])
            elif name in by_path and name.endswith(".amc") and here not in skeletons:
                waiting.setdefault(here, []).append((by_path[name], text))
            elif name in by_path:
                recorded[name] = _read(by_path[name], text, skeletons.get(here, ()))
            progress(len(recorded), len(sequences))
    if missing := sorted(set(by_path) - set(recorded)):
        raise FileFormatError(
            f"{folder}: {len(missing)} of {len(sequences)} sequences of index.csv are not in the archives, "
            f"first {missing[0]}. Fetch the archives again."
        )
    return recorded


def _texts(archive: Path) -> Iterator[tuple[str, str]]:
    """Yield name and content of each plain file, in the order of the archive; nothing is written to the disk."""
    try:
        with tarfile.open(archive, "r|xz") as file:
            for member in file:
                if not member.isfile():
                    continue
                if member.size > LARGEST_FILE:
                    raise FileFormatError(
                        f"{archive}: {member.name} has {member.size} bytes, at most {LARGEST_FILE} are read."
                    )
                content = file.extractfile(member)
                if content is not None:
                    yield member.name.removeprefix("./"), content.read().decode("utf-8", errors="replace")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise FileFormatError(f"{archive}: cannot be read as a tar.xz archive: {error}. Fetch it again.") from error


def _read(sequence: Sequence, text: str, skeleton: tuple[Bone, ...]) -> Recorded:
    every = frames_to_skip(sequence.fps)
    if sequence.path.endswith(".amc"):
        posed = read_amc(text, skeleton, sequence.path, every)
    elif sequence.path.endswith(".bvh"):
        posed = read_bvh_joints(text, sequence.path, every)
    else:
        posed, every = _read_trc(sequence, text), 1
    return convert(posed, sequence, every)


def _read_trc(sequence: Sequence, text: str) -> PosedJoints:
    """Read a TRC by the project's codec, which takes a path; back to Y up and the file's unit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "joints.trc"
        path.write_text(text, encoding="utf-8")
        keypoints = trc.load(path)
    return PosedJoints(keypoints.names, keypoints.xyz_m[..., [1, 2, 0]] / sequence.unit_m)
