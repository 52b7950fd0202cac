"""Keypoints in every camera: each camera a stage of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from clapcap.errors import DetectionError
from session.atomic import written_whole
from session.folder import CALIBRATION, Recording, Session
from session.manifest import Stage
from session.stages import Stages

if TYPE_CHECKING:
    from skeleton.keypoints import Keypoints2D

LEAST_SEEN_SHARE = 0.02  # of a camera's frames with a person, below which the camera counts as empty


def keypoints2d_files(take: Recording) -> dict[str, Path]:
    """Return where the keypoints of each camera go: of everybody in the take."""
    return {camera: take.shared_results / "keypoints2d" / f"{camera}.npz" for camera in take.videos}


def detection(session: Session, recording: Recording, stages: Stages) -> Callable[[], Mapping[str, Path]] | None:
    """Return what detects the keypoints of a take for its sync; None for the recording of the board."""
    if recording.name == CALIBRATION:
        return None

    @cache
    def detect() -> Mapping[str, Path]:
        detect_take(session, recording, stages, least=1)
        return keypoints2d_files(recording)

    return detect


def seen_shares(take: Recording, stages: Stages) -> dict[str, float]:
    """Return the cameras that have seen somebody, and in which share of their frames; those that have been detected."""
    shares = {camera: stages.manifest.report(f"detect {camera}").get("seen_share", 0.0) for camera in take.videos}
    return {camera: share for camera, share in shares.items() if share >= LEAST_SEEN_SHARE}


def detect_take(session: Session, take: Recording, stages: Stages, least: int = 2) -> dict[str, float]:
    """Detect keypoints in every camera, in parallel; each camera is a stage of its own, so a killed run loses little.

    Returns
    -------
    dict
        The cameras that see somebody, and in which share of their frames.

    Raises
    ------
    DetectionError
        If fewer than `least` cameras see anybody.
    """
    from detect.cut import MOST_PIECES
    from detect.run import detect_videos
    from skeleton.formats.npz import save_keypoints2d

    model = session.settings.process.model
    own_model = [session.root / model] if model else []
    files = keypoints2d_files(take)
    people = session.settings.process.people
    alone = len(take.videos) == 1  # then its pieces keep the cores busy
    settings = {"detector": "mediapipe", "people": people, **({"pieces": MOST_PIECES} if alone else {})}
    todo = {}
    for camera, video in take.videos.items():
        stage = Stage(f"detect {camera}", [video, *own_model], [files[camera]], settings)
        if stages.manifest.is_current(stage):
            stages.terminal.skipped(f"{take.name}: {stage.name}")
        else:
            todo[camera] = stage

    def finished(camera: str, keypoints: Keypoints2D) -> None:
        stages.keep_edited(todo[camera])
        with written_whole(files[camera]) as partial:
            save_keypoints2d(partial, keypoints)
        seen = float((keypoints.confidence > 0).any(axis=1).mean())
        report = {"frames": len(keypoints.time_s), "seen_share": seen}
        stages.finish(
            todo[camera], report, lambda r: f"{r['frames']} frames, somebody in {100 * r['seen_share']:.0f} % of them"
        )

    if todo:
        with stages.terminal.progress("detecting keypoints") as progress:
            detect_videos(
                {camera: take.videos[camera] for camera in todo},
                model_path=own_model[0] if own_model else None,
                people=people,
                cut=alone,
                progress=progress,
                on_done=finished,
            )
    shares = {camera: stages.manifest.report(f"detect {camera}")["seen_share"] for camera in take.videos}
    empty = [camera for camera, share in shares.items() if share < LEAST_SEEN_SHARE]
    if len(shares) - len(empty) < least:
        found = ", ".join(f"{camera} {100 * share:.0f} %" for camera, share in shares.items())
        needed = f"{'two cameras that see' if least > 1 else 'one camera that sees'} the person"
        raise DetectionError(
            f"{take.name}: nobody is seen in {', '.join(empty)} (share of frames with a person: {found}; needed: "
            f"{100 * LEAST_SEEN_SHARE:.0f} %); {needed} {'are' if least > 1 else 'is'} needed. Check that the whole "
            "person is in the picture, upright and well lit."
        )
    for camera in empty:
        stages.terminal.warn(f"{take.name}: {camera} sees nobody in {100 - 100 * shares[camera]:.0f} % of its frames.")
    return seen_shares(take, stages)
