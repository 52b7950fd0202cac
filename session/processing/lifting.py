"""A body lifted from the one view that is usable: points in a world, and what their scale, lens and up rest on."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clapcap.errors import DetectionError, FileFormatError, SessionError
from session.atomic import written_whole
from session.folder import Recording, Session
from session.lens import Lens
from session.manifest import Manifest, Stage
from session.processing.cleanup import measured_points_file
from session.settings import HEIGHTS, is_height
from session.stages import Stages
from sync.time_map import CameraClock, TimeMap

if TYPE_CHECKING:
    from lift.model import Lifter
    from lift.upright.standing import Standing
    from skeleton.keypoints import Keypoints2D, Keypoints3D

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

STAGE = "lift"

FEWEST_FRAMES = 10
"""With somebody in them: a sixth of a second, of which no network can tell how a body moves."""

BRIDGED_S = 0.5
"""Nobody seen for so long is bridged by the network, which looks about a second to each side; longer is a gap."""

CONTRACT, VERSION = "clapcap-lifted", 1


@dataclass(frozen=True)
class Height:
    """How tall the subject is, and whether somebody said so."""

    height_m: float
    given: bool

    @classmethod
    def of(cls, height_m: float | None) -> Height:
        """Return a height that was given; None: the usual one.

        Raises
        ------
        SessionError
            If nobody is so tall.
        """
        from lift.points import STATURE_M

        if height_m is None:
            return cls(STATURE_M, False)
        if not is_height(height_m):
            raise SessionError(f"--height {height_m:g}: needed {HEIGHTS}, the subject's height in metres (1.72, say).")
        return cls(float(height_m), True)

    @property
    def words(self) -> str:
        """Where the scale comes from; goes on from "The scale is"."""
        if self.given:
            return f"the subject's height of {self.height_m:g} m, as given"
        return f"a height of {self.height_m:g} m, which is assumed"


def lifted_camera(session: Session, take: Recording) -> str | None:
    """Return the camera that a take's results were lifted from; None: they were triangulated, or are not there."""
    return Manifest(take.shared_results, session.root).report(STAGE).get("camera")


def lifter_weights(path: Path | None) -> Path:
    """Return the weights to lift with: the given ones, else those that clapcap ships.

    Raises
    ------
    SessionError
        There are none.
    """
    from lift.shipped import shipped_weights

    found = shipped_weights() if path is None else path
    if found is None or not found.is_file():
        if path is not None:
            raise SessionError(
                f"{path} {'is a folder' if path.is_dir() else 'does not exist'}, needed a lifter.safetensors, which "
                "`clapcap train lifter` makes. Check the path, or leave it out: clapcap takes its own weights then."
            )
        raise SessionError(
            "this copy of clapcap has no weights to lift with. Install clapcap again, or give weights of your own "
            "(--weights lifter.safetensors): `clapcap train lifter` makes them."
        )
    return found


def session_weights(session: Session) -> Path:
    """Return the weights that a session lifts with; raises SessionError as `lifter_weights`."""
    own = session.settings.process.weights
    return lifter_weights(session.root / own if own else None)


def load_lifter(path: Path) -> Lifter:
    """Read the network to lift with.

    Raises
    ------
    FileFormatError
        The file is no lifter, of another version, or damaged; with what to do.
    """
    from lift.weights_file import load_weights

    try:
        return load_weights(path)
    except FileFormatError as error:
        raise FileFormatError(
            f"{str(error).rstrip('.')}. Give the lifter.safetensors that `clapcap train lifter` wrote; without any "
            "(--weights, or weights in session.toml) clapcap takes its own."
        ) from error


def lift_view(model: Lifter, view: Keypoints2D, lens: Lens, height: Height, floor_m: float | None = None) -> Standing:
    """Lift one view and put the body into its world.

    Where nobody is seen the points are marked as filled, and missing if that lasts.

    Parameters
    ----------
    model
        A trained network.
    view
        Keypoints of one person.
    lens
        The camera.
    height
        The subject's.
    floor_m
        The floor's height in the world of a lens that has a place; None: not known.

    Raises
    ------
    DetectionError
        If too few frames show anybody.
    """
    from lift.inference import lift_keypoints
    from lift.upright.standing import stand_upright

    seen = (view.confidence > 0).any(axis=1)
    if len(seen) < FEWEST_FRAMES:
        raise DetectionError(
            f"{lens.camera.name} has {len(seen)} frame{'s' if len(seen) > 1 else ''}, needed {FEWEST_FRAMES} at least: "
            "so little does not tell how a body moves. Take a longer piece of the recording."
        )
    if seen.sum() < FEWEST_FRAMES:
        raise DetectionError(
            f"{lens.camera.name}: somebody is seen in {seen.sum()} of {len(seen)} frames, needed {FEWEST_FRAMES} at "
            "least. Check that the whole person is in the picture, upright and well lit."
        )
    body = lift_keypoints(model, view, lens.camera, height.height_m)
    standing = stand_upright(body, view, lens.camera, in_world=lens.placed, floor_m=floor_m if lens.placed else None)
    points = standing.keypoints
    missing = ~seen & (_to_nearest_s(seen, view.time_s) > BRIDGED_S / 2)
    unknown = np.repeat(missing[:, None], len(points.names), axis=1)
    points = replace(
        points,
        xyz_m=np.where(unknown[..., None], np.nan, points.xyz_m),
        sigma_m=np.where(unknown, np.nan, points.sigma_m),
        filled=np.repeat((~seen & ~missing)[:, None], len(points.names), axis=1),
        note=note_of(lens, height),
    )
    return replace(standing, keypoints=points)


def note_of(lens: Lens, height: Height) -> str:
    """Return what the files say of themselves."""
    return (
        f"Depth is inferred from one view ({lens.camera.name}), not measured. Scale: {height.words}. "
        f"Lens: {lens.words}."
    )


def _to_nearest_s(seen: Mask, time_s: Array) -> Array:
    """Return (frames,): how far the nearest frame that shows somebody is."""
    known_s = time_s[seen]
    after = np.clip(np.searchsorted(known_s, time_s), 0, len(known_s) - 1)
    before = np.maximum(after - 1, 0)
    away: Array = np.minimum(np.abs(known_s[after] - time_s), np.abs(time_s - known_s[before]))
    return away


def one_timeline(
    keypoints: Keypoints2D, offset_s: float = 0.0, rate: float = 1.0, rate_hz: float | None = None
) -> Keypoints2D:
    """Return a camera's keypoints of the main person at even intervals, their usual ones or 1 / `rate_hz`.

    Session time is offset_s + rate x the camera's.
    """
    from detect.follow import follow_main
    from sync.resample import common_timeline, nominal_interval_s, resample_keypoints

    keypoints = follow_main(keypoints)
    view = replace(keypoints, time_s=offset_s + rate * keypoints.time_s)
    if len(view.time_s) < 2:
        return view  # too few, which `lift_view` says
    if rate_hz is None or np.isnan(rate_hz):
        rate_hz = 1 / nominal_interval_s(view.time_s)
    return resample_keypoints(view, common_timeline({"": view.time_s, "again": view.time_s}, rate_hz))


def lifted_file(take: Recording) -> Path:
    """Return where it is kept what a lifted body's feet do, and on what floor."""
    return take.results / "lifted.npz"


def lift_take(
    session: Session,
    take: Recording,
    lens: Lens,
    height: Height,
    stages: Stages,
    *,
    clock: CameraClock | None = None,
    floor_m: float | None = None,
    sources: tuple[Path, ...] = (),
) -> None:
    """Lift the one view of a take; the points stay as the network gives them, for `clean_take`.

    Parameters
    ----------
    session, take, stages
        The take, with its one video.
    lens, height
        How it was filmed, and whom.
    clock
        The camera's, where the take was synced; None: session time is the video's.
    floor_m
        The floor's height in the calibrated world, if it is known.
    sources
        Files that the lens comes from.
    """
    from session.processing.cameras import corrected_cameras_file
    from session.processing.detection import keypoints2d_files

    (camera,) = take.videos
    weights = session_weights(session)
    keypoints2d = keypoints2d_files(take)[camera]
    raw, observations_file = measured_points_file(take), take.results / "observations2d.npz"
    synced = take.results / "time_map.json" if stages.manifest.report("sync") else None
    clocks_file = take.results / ("time_map.json" if synced is None else "clocks.json")
    clock = clock or CameraClock(0.0, 1.0, 0.0, 0.0, "reference", 1.0)
    cameras_file = corrected_cameras_file(take)
    stage = Stage(
        STAGE,
        [keypoints2d, weights, *sources],
        [raw, observations_file, lifted_file(take), cameras_file, clocks_file],
        {
            "height_m": height.height_m,
            "height_given": height.given,
            "lens": lens.source,
            "focal_px": lens.focal_px,
            "floor_m": floor_m,
            "rate_hz": session.settings.process.rate_hz,
            "clock": [clock.offset_s, clock.rate],
        },
    )

    def make() -> Mapping[str, Any]:
        from calib.cameras import CameraGroup
        from calib.formats.anipose_toml import save_anipose_toml
        from retarget.one_view import one_view_pixels
        from skeleton.formats.npz import load_keypoints2d, save_keypoints3d, save_observations2d

        rate_hz = session.settings.process.rate_hz
        view = one_timeline(load_keypoints2d(keypoints2d), clock.offset_s, clock.rate, rate_hz)
        with stages.terminal.progress("lifting"):
            standing = lift_view(load_lifter(weights), view, lens, height, floor_m)
        with written_whole(raw) as partial:
            save_keypoints3d(partial, standing.keypoints)
        with written_whole(observations_file) as partial:
            save_observations2d(partial, one_view_pixels(standing, view).observations)
        with written_whole(lifted_file(take)) as partial:
            save_feet(partial, standing)
        with written_whole(cameras_file) as partial:
            save_anipose_toml(partial, CameraGroup((standing.camera,)), {"note": standing.keypoints.note})
        with written_whole(clocks_file) as partial:
            others = {} if synced is None else TimeMap.load(synced).cameras
            TimeMap({**others, camera: clock}).save(partial)
        return lift_report(standing, lens, height, view)

    stages.run(stage, make, lifted_words)
    stages.manifest.forget("triangulate")


def lift_report(standing: Standing, lens: Lens, height: Height, view: Keypoints2D) -> dict[str, Any]:
    """Return the numbers of a lifted body, and the words that say what it rests on."""
    from retarget.one_view import one_view_pixels

    points, gravity = standing.keypoints, standing.gravity
    # As the page counts: of the points that the view shows.
    shown = np.isfinite(one_view_pixels(standing, view).observations.sigma_px[0]) & np.isfinite(points.sigma_m)
    somewhere = np.isfinite(points.xyz_m).all(axis=-1)
    return {
        "camera": lens.camera.name,
        "frames": len(points.time_s),
        "seen_share": float((view.confidence > 0).any(axis=1).mean()),
        "sigma_mm": 1000 * float(np.median(points.sigma_m[shown])),
        "bridged_share": float((points.filled & somewhere).mean()),
        "missing_share": float((~somewhere).mean()),
        "reprojection_px": float(np.nanmedian(points.reprojection_px)),
        "height_m": height.height_m,
        "height_given": height.given,
        "scale": height.words,
        "lens_from": lens.source,
        "lens": lens.words,
        "focal_px": lens.focal_px,
        "gravity_sigma_deg": None if gravity is None else gravity.sigma_deg,
        "gravity_told_by": {} if gravity is None else dict(gravity.told_by),
        "pitch_deg": standing.pitch_deg,
        "roll_deg": standing.roll_deg,
        "floor_m": standing.floor_m,
        "floor_from": standing.floor_from,
        "note": points.note,
    }


def lifted_words(report: Mapping[str, Any]) -> str:
    """Put the report of the lifting into words."""
    return f"{report['frames']} frames, depth inferred from {report['camera']}; {gravity_words(report)}"


def gravity_words(report: Mapping[str, Any]) -> str:
    """Say which way is up, and how sure that is."""
    if report["gravity_sigma_deg"] is None:
        return "up by the calibration"
    look = "down" if report["pitch_deg"] < 0 else "up"
    return (
        f"up estimated to {report['gravity_sigma_deg']:.0f}° (the camera looks {abs(report['pitch_deg']):.0f}° {look}, "
        f"rolled by {abs(report['roll_deg']):.0f}°)"
    )


def save_feet(path: Path, standing: Standing) -> None:
    """Write what the fit needs beside the points: contacts of the feet and the floor."""
    archive = io.BytesIO()
    np.savez(
        archive,
        format=np.array(CONTRACT),
        version=np.array(VERSION),
        contact=standing.contact,
        time_s=standing.keypoints.time_s,
        floor_m=np.array(standing.floor_m),
        floor_from=np.array(standing.floor_from),
    )
    path.write_bytes(archive.getbuffer())


def load_standing(path: Path, points: Keypoints3D, cameras: Path) -> Standing:
    """Return a lifted body from its files, without what is known of its gravity.

    Raises
    ------
    FileFormatError
        If the files cannot be read, or do not belong together.
    """
    from calib.interchange import load_cameras
    from lift.upright.standing import Standing
    from skeleton.formats.contract import reading

    with reading(path, CONTRACT):
        with np.load(path, allow_pickle=False) as archive:
            if str(archive["format"]) != CONTRACT or int(archive["version"]) != VERSION:
                raise FileFormatError(f"{path} is not {CONTRACT} of version {VERSION}. Lift the take again.")
            contact, time_s = archive["contact"], archive["time_s"]
            floor_m, told = float(archive["floor_m"]), str(archive["floor_from"])
        if not np.array_equal(time_s, points.time_s):
            raise ValueError("its moments are not those of the points")
    (camera,) = load_cameras(cameras)
    return Standing(camera, points, contact, floor_m, told, None)  # type: ignore[arg-type]  # as it was written
