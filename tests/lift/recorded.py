"""Made-up recorded motion, in archives like the real ones: people who stride in circles."""

from __future__ import annotations

import csv
import io
import json
import lzma
import tarfile
from pathlib import Path

import numpy as np

COLUMNS = (
    *("path", "split", "subject", "trial", "activity", "description", "format", "skeleton", "fps", "frames_total"),
    *("skip_first", "frames_valid", "seconds", "unit_to_m", "up_axis", "floor_y_m", "n_glitch_frames", "glitch_frames"),
    *("licence", "read_from", "note"),
)

NAMES = (
    *("pelvis", "hip_l", "knee_l", "ankle_l", "heel_l", "toe_l", "hip_r", "knee_r", "ankle_r", "heel_r", "toe_r"),
    *("chest", "neck", "head", "shoulder_l", "elbow_l", "wrist_l", "hand_l"),
    *("shoulder_r", "elbow_r", "wrist_r", "hand_r"),
)

# A standing body of 1.7 m, Y up, facing +Z, left at +X, metres.
STANDING = {
    **{"pelvis": (0, 0.95, 0), "chest": (0, 1.3, 0), "neck": (0, 1.45, 0), "head": (0, 1.6, 0.02)},
    **{"hip": (0.09, 0.92, 0), "knee": (0.1, 0.5, 0.02), "ankle": (0.1, 0.08, -0.02), "heel": (0.1, 0.04, -0.07)},
    **{"toe": (0.11, 0.03, 0.14), "shoulder": (0.18, 1.42, 0), "elbow": (0.22, 1.14, -0.02)},
    **{"wrist": (0.2, 0.9, 0.1), "hand": (0.2, 0.85, 0.12)},
}


def walking(frames: int, rate_hz: float, seed: int) -> np.ndarray:
    """Return joints (frames, joints, 3), Y up, metres: a body that turns and strides, its knees and elbows swinging."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames) / rate_hz
    body = np.zeros((frames, len(NAMES), 3))
    for place, name in enumerate(NAMES):
        part, _, side = name.partition("_")
        point = np.array(STANDING[part], dtype=float)
        if side == "r":
            point = point * [-1, 1, 1]
        body[:, place] = point
        if part in ("knee", "ankle", "heel", "toe", "elbow", "wrist", "hand"):
            reach = {"knee": 0.12, "elbow": 0.08, "wrist": 0.15, "hand": 0.17}.get(part, 0.25)
            phase = np.pi * (side == "r") + np.pi * (part in ("elbow", "wrist", "hand"))
            stride = np.sin(2 * np.pi * 0.9 * time + phase)
            body[:, place, 2] += reach * stride
            if part in ("ankle", "heel", "toe"):
                body[:, place, 1] += 0.08 * np.maximum(np.cos(2 * np.pi * 0.9 * time + phase), 0)
    turn = 0.5 * time + rng.uniform(0, 6)
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
    turned = np.stack(
        [cos * body[..., 0] + sin * body[..., 2], body[..., 1], cos * body[..., 2] - sin * body[..., 0]], -1
    )
    return turned + np.stack([0.3 * np.sin(time), 0 * time, 0.3 * np.cos(time)], axis=-1)[:, None]


def trc_text(xyz_m: np.ndarray, rate_hz: float) -> str:
    """Return joints as a TRC in millimetres; NaN is an empty cell."""
    head = [
        "PathFileType\t4\t(X/Y/Z)\tjoints.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate_hz:g}\t{rate_hz:g}\t{len(xyz_m)}\t{len(NAMES)}\tmm\t{rate_hz:g}\t1\t{len(xyz_m)}",
        "Frame#\tTime\t" + "".join(f"{name}\t\t\t" for name in NAMES),
        "\t\t" + "".join(f"X{n}\tY{n}\tZ{n}\t" for n in range(1, len(NAMES) + 1)),
        "",
    ]
    rows = [
        f"{k + 1}\t{k / rate_hz:.4f}\t" + "\t".join("" if np.isnan(v) else f"{1000 * v:.1f}" for v in row.ravel())
        for k, row in enumerate(xyz_m)
    ]
    return "\n".join(head + rows) + "\n"


def row(path: str, split: str, subject: str, **more: object) -> dict[str, object]:
    """Return a line of the index."""
    usual = {
        **{"path": path, "split": split, "subject": subject, "activity": "walk", "description": "walk"},
        **{"format": "trc", "skeleton": "accad_joint_centres", "fps": 60, "frames_total": 0, "skip_first": 0},
        **{"unit_to_m": 0.001, "up_axis": "Y", "floor_y_m": 0.0, "licence": "CC BY 3.0"},
    }
    return usual | more


def write_archives(folder: Path, rows: list[dict[str, object]], texts: dict[str, str]) -> Path:
    """Write index, split and archives."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    sets = {name: [r["path"] for r in rows if r["split"] == name] for name in ("train", "val", "test")}
    (folder / "split.json").write_text(json.dumps(sets), encoding="utf-8")
    for archive in sorted({path.split("/")[0] for path in texts}):
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as tar:
            for path, text in texts.items():
                if path.split("/")[0] == archive:
                    member = tarfile.TarInfo(path)
                    member.size = len(text.encode())
                    tar.addfile(member, io.BytesIO(text.encode()))
        (folder / f"{archive}.tar.xz").write_bytes(lzma.compress(raw.getvalue(), preset=0))
    return folder
