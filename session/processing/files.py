"""The files of a take that other programs read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from session.atomic import written_whole
from session.folder import Recording
from session.manifest import Stage
from session.stages import Stages

POINT_FILES = (".trc", ".csv", ".json")


def export_take(take: Recording, stages: Stages) -> None:
    """Write the motion as BVH, and the points in every format that holds points."""
    points, motion = take.results / "keypoints3d.npz", take.results / "motion.npz"
    bvh = take.results / f"{take.name}.bvh"
    others = [take.results / f"{take.name}{suffix}" for suffix in POINT_FILES]
    stage = Stage("files", [points, motion], [bvh, *others])

    def make() -> Mapping[str, Any]:
        from retarget.bvh import write_bvh
        from skeleton.formats import save_keypoints3d
        from skeleton.formats.npz import load_keypoints3d, load_motion

        with written_whole(bvh) as partial:
            write_bvh(partial, load_motion(motion))
        keypoints = load_keypoints3d(points)
        for path in others:
            with written_whole(path) as partial:
                save_keypoints3d(partial, keypoints)
        return {"files": [path.name for path in (bvh, *others)]}

    stages.run(stage, make, lambda r: ", ".join(r["files"]))
