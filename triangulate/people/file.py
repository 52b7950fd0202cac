"""`people.npz`: who is where in a take, as plain npz."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from clapcap.errors import FileFormatError
from skeleton.formats.contract import reading
from triangulate.people.appearances import Appearance
from triangulate.people.find import People, Person

FORMAT = "clapcap-people"
VERSION = 1


def save_people(path: Path, people: People) -> None:
    """Write who is where.

    Arrays: `camera_names (cameras,)`; for each camera in that order `slots_0 (pictures, persons)`, `slots_1` ...: which
    figure of its keypoints2d is the person (0 the main one, k its others' row k - 1, -1 none); `from_s`, `to_s` and
    `solid_s (persons,)`; `share (persons, cameras)` of the pictures; `time_s (moments,)` and
    `middle_m (persons, moments, 3)`; and of figures that no two cameras agree on `appearance_camera`,
    `appearance_from_s`, `appearance_to_s` and `appearance_share`.
    """
    names = tuple(people.slots)
    arrays: dict[str, Any] = {
        "format": np.array(FORMAT),
        "version": np.array(VERSION),
        "camera_names": np.array(names, dtype=np.str_),
        "from_s": np.array([person.from_s for person in people.persons]),
        "to_s": np.array([person.to_s for person in people.persons]),
        "solid_s": np.array([person.solid_s for person in people.persons]),
        "share": np.array([[person.cameras[name] for name in names] for person in people.persons]).reshape(
            len(people.persons), len(names)
        ),
        "time_s": people.time_s,
        "middle_m": people.middle_m,
        "appearance_camera": np.array([one.camera for one in people.appearances], dtype=np.str_),
        "appearance_from_s": np.array([one.from_s for one in people.appearances]),
        "appearance_to_s": np.array([one.to_s for one in people.appearances]),
        "appearance_share": np.array([one.share for one in people.appearances]),
        **{f"slots_{c}": people.slots[name].astype(np.int8) for c, name in enumerate(names)},
    }
    # To memory first: on a full disk, numpy would leave the file half closed.
    archive = io.BytesIO()
    np.savez_compressed(archive, **arrays)
    path.write_bytes(archive.getbuffer())


def load_people(path: Path) -> People:
    """Read who is where; raises FileFormatError if the file cannot be read or is something else."""
    with reading(path, FORMAT):
        try:
            with np.load(path, allow_pickle=False) as file:
                if str(file["format"]) != FORMAT or int(file["version"]) != VERSION:
                    raise FileFormatError(
                        f"{path} is {file['format']}, version {file['version']}; needed {FORMAT}, version {VERSION}. "
                        "Process the take again."
                    )
                arrays = {key: file[key] for key in file.files}
        except zipfile.BadZipFile as error:
            raise ValueError(f"it is a broken npz archive ({error})") from error
        names = [str(name) for name in arrays["camera_names"]]
        persons = tuple(
            Person(
                number=place + 1,
                from_s=float(arrays["from_s"][place]),
                to_s=float(arrays["to_s"][place]),
                solid_s=float(arrays["solid_s"][place]),
                cameras=dict(zip(names, arrays["share"][place].tolist(), strict=True)),
            )
            for place in range(len(arrays["from_s"]))
        )
        appearances = tuple(
            Appearance(str(camera), float(from_s), float(to_s), float(share))
            for camera, from_s, to_s, share in zip(
                *(arrays[f"appearance_{key}"] for key in ("camera", "from_s", "to_s", "share")), strict=True
            )
        )
        slots = {name: arrays[f"slots_{c}"].astype(np.int64) for c, name in enumerate(names)}
        return People(persons, slots, arrays["time_s"], arrays["middle_m"], appearances)
