"""Two rendered people who cross: rendered, detected, told apart, triangulated, and measured against the truth.

`python -m benchmarks.people FOLDER` renders into the folder what is not there yet (480 pictures, 0.6 s each; needs
bpy), detects by MediaPipe, and prints a table, which it also writes as FOLDER/people.json. Then made-up takes: 2 to 8
people, up to 16 cameras, and what it takes to tell them apart.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.crowds import crossing_paths, make_crowd, score
from benchmarks.people_scene import CAMERAS, FPS, SIZE_PX, WALKERS, frame_path, render, times_s
from blender.armature import JOINT_NAMES
from detect.run import detect_videos
from skeleton.formats.npz import load_keypoints2d, save_keypoints2d
from skeleton.keypoints import Keypoints2D
from sync.resample import common_timeline, resample_keypoints
from triangulate.people.find import People, find_people
from triangulate.triangulate import triangulate

Array = npt.NDArray[np.float64]

# The joints that a person is measured by, where detector and renderer mean the same.
JOINTS = tuple(f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
               for side in ("left", "right"))  # fmt: skip
# A camera's figure is the walker's whose joints are nearest in the picture, within this share of their height.
OWN_SHARE = 0.25


def detections(folder: Path, people: int) -> dict[str, Keypoints2D]:
    """Return what MediaPipe sees in the rendered videos, each picture at its true time; kept in the folder."""
    kept = {name: folder / f"keypoints2d-{people}" / f"{name}.npz" for name in CAMERAS.names}
    if not all(path.exists() for path in kept.values()):
        render(folder)
        videos = {name: _video(folder, name) for name in CAMERAS.names}
        start = time.monotonic()
        found = detect_videos(videos, people=people)
        print(f"detected at most {people} people a picture in {time.monotonic() - start:.0f} s")
        for name, view in found.items():
            kept[name].parent.mkdir(exist_ok=True)
            timed = Keypoints2D(
                view.names,
                view.xy_px,
                view.confidence,
                times_s(name),
                view.image_size_px,
                others_xy_px=view.others_xy_px,
                others_confidence=view.others_confidence,
            )
            save_keypoints2d(kept[name], timed)
    return {name: load_keypoints2d(path) for name, path in kept.items()}


def _video(folder: Path, camera: str) -> Path:
    import cv2

    from media.writer import VideoWriter

    path = folder / f"{camera}.mp4"
    if not path.exists():
        with VideoWriter(path, SIZE_PX, rate_hz=FPS, crf=16) as writer:
            for frame in range(len(times_s(camera))):
                bgr = cv2.imread(str(frame_path(folder, camera, frame)), cv2.IMREAD_COLOR)
                assert bgr is not None
                writer.write(np.ascontiguousarray(bgr[:, :, ::-1]), frame / FPS)
    return path


def save_small(path: Path, views: dict[str, Keypoints2D]) -> None:
    """Write detections small, to keep with the tests: tenths of a pixel and hundredths of confidence."""
    arrays: dict[str, npt.NDArray[Any]] = {"names": np.array(views["cam1"].names)}
    for name, view in views.items():
        assert view.others_xy_px is not None
        assert view.others_confidence is not None
        xy_px = np.concatenate([view.xy_px[:, None], view.others_xy_px], axis=1)
        confidence = np.concatenate([view.confidence[:, None], view.others_confidence], axis=1)
        arrays[f"{name}_xy"] = np.round(10 * np.nan_to_num(xy_px)).astype(np.int16)
        # No point with a confidence is without a place.
        arrays[f"{name}_confidence"] = np.ceil(100 * confidence).astype(np.uint8)
    np.savez_compressed(path, **arrays)


def load_small(path: Path) -> dict[str, Keypoints2D]:
    """Read what `save_small` wrote, each picture at its true time."""
    views = {}
    with np.load(path, allow_pickle=False) as file:
        names = tuple(str(name) for name in file["names"])
        for name in CAMERAS.names:
            confidence = file[f"{name}_confidence"] / 100
            xy_px = np.where((confidence > 0)[..., None], file[f"{name}_xy"] / 10, np.nan)
            views[name] = Keypoints2D(
                names,
                xy_px[:, 0],
                confidence[:, 0],
                times_s(name),
                np.array(SIZE_PX, dtype=np.float64),
                others_xy_px=xy_px[:, 1:],
                others_confidence=confidence[:, 1:],
            )
    return views


def true_figures(views: dict[str, Keypoints2D]) -> dict[str, npt.NDArray[np.int64]]:
    """Return by camera which walker each figure is: (frames, slots), -1: none for sure."""
    who = {}
    for name, view in views.items():
        figures = view.xy_px[:, None]
        if view.others_xy_px is not None:
            figures = np.concatenate([figures, view.others_xy_px], axis=1)
        chosen = [view.names.index(joint) for joint in JOINTS]
        apart = []
        for walker in WALKERS:
            joints_px = CAMERAS[name].project(walker.joints(view.time_s))[:, [JOINT_NAMES.index(j) for j in JOINTS]]
            height_px = np.ptp(joints_px[..., 1], axis=1)
            gap = np.linalg.norm(figures[:, :, chosen] - joints_px[:, None], axis=-1)
            known = np.isfinite(gap)
            mean = np.where(known, gap, 0).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)
            apart.append(np.where(known.any(axis=-1), mean / height_px[:, None], np.inf))
        distance = np.stack(apart)
        who[name] = np.where(distance.min(axis=0) <= OWN_SHARE, distance.argmin(axis=0), -1)
    return who


def measure(views: dict[str, Keypoints2D], people: People) -> list[dict[str, Any]]:
    """Return for each person found whose walker it is, how often that changes, the joints' error and their share."""
    measured = []
    for person in people.persons:
        own = {name: people.view(name, view, person.number) for name, view in views.items()}
        timeline_s = common_timeline({name: view.time_s for name, view in own.items()}, float(FPS))
        result = triangulate({name: resample_keypoints(view, timeline_s) for name, view in own.items()}, CAMERAS)
        xyz_m = result.keypoints.xyz_m[:, [result.keypoints.names.index(joint) for joint in JOINTS]]
        true_m = np.stack([w.joints(timeline_s)[:, [JOINT_NAMES.index(j) for j in JOINTS]] for w in WALKERS])
        with np.errstate(invalid="ignore"):
            error_m = np.linalg.norm(xyz_m - true_m, axis=-1)
        known = np.isfinite(error_m).sum(axis=2) >= 4
        typical = np.where(known, np.nanmedian(np.where(np.isfinite(error_m), error_m, 9.0), axis=2), np.inf)
        nearest = typical.argmin(axis=0)[known.any(axis=0)]
        walker = int(np.bincount(nearest, minlength=len(WALKERS)).argmax())
        mine = error_m[walker]
        measured.append(
            {
                "person": person.number,
                "walker": WALKERS[walker].name,
                "switches": int((np.diff(nearest) != 0).sum()),
                "median_mm": 1000 * float(np.nanmedian(mine)),
                "mean_mm": 1000 * float(np.nanmean(mine)),
                "worst_frame_mm": 1000 * float(np.nanmax(np.nanmedian(mine[known[walker]], axis=1))),
                "share": float(np.isfinite(mine).mean()),
            }
        )
    return measured


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where pictures, videos and detections are kept")
    parser.add_argument("--people", type=int, default=2, help="people looked for in a picture")
    parser.add_argument("--keep", type=Path, help="also write the detections small, for the tests")
    options = parser.parse_args(arguments)
    folder = options.folder.resolve()
    views = detections(folder, options.people)
    if options.keep:
        save_small(options.keep, views)
    start = time.process_time()
    people = find_people(views, CAMERAS)
    told_s = time.process_time() - start
    figures = score(true_figures(views), dict(people.slots), len(WALKERS))
    rows = measure(views, people)
    print(f"two people cross, {len(CAMERAS)} cameras, {len(people.time_s)} moments: told apart in {told_s:.2f} s")
    print(f"  identity switches {figures.switches}, figures right {figures.right:.3f}, wrong {figures.wrong:.3f}")
    for row in rows:
        print(
            f"  person {row['person']} is {row['walker']}: {row['switches']} switches in space, joints "
            f"{row['median_mm']:.0f} mm median, {row['mean_mm']:.0f} mm mean, {100 * row['share']:.0f} % there; worst "
            f"picture {row['worst_frame_mm']:.0f} mm"
        )
    made_up = list(crowds())
    document = {"figures": vars(figures), "people": rows, "seconds": told_s, "made_up": made_up}
    (folder / "people.json").write_text(json.dumps(document, indent=2) + "\n")


def crowds() -> Any:
    """Yield the numbers of made-up takes."""
    print("made-up takes of 6 s at 30 fps\n  people  cameras  seconds  switches   right   wrong  found")
    for count, cameras in ((1, 4), (2, 2), (2, 4), (2, 16), (4, 4), (4, 8), (8, 4), (8, 8), (8, 16)):
        late_s = np.linspace(0, 0.03, cameras)
        crowd = make_crowd(np.random.default_rng(count), crossing_paths(count, 180, 30.0), cameras, late_s=late_s)
        start = time.process_time()
        people = find_people(crowd.views, crowd.cameras)
        seconds = time.process_time() - start
        result = score(crowd.who, dict(people.slots), count)
        print(
            f"  {count:6d}  {cameras:7d}  {seconds:7.2f}  {result.switches:8d}  {result.right:6.3f}"
            f"  {result.wrong:6.3f}  {result.found:5d}"
        )
        yield {"people": count, "cameras": cameras, "seconds": seconds, **vars(result)}


if __name__ == "__main__":
    main()
