"""`clapcap single`: one video to everything, in a folder of its own."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from threading import Thread

from clapcap.errors import SessionError
from session.folder import VIDEO_SUFFIXES, Recording, Session, is_video
from session.lens import find_lens
from session.manifest import Manifest
from session.one_view import process_one_view, tell_what_it_rests_on
from session.processing.cleanup import STAGE as CLEAN_UP
from session.processing.detection import detect_take
from session.processing.lifting import STAGE as LIFT
from session.processing.lifting import Height, lifter_weights, load_lifter
from session.settings import ProcessSettings, Settings
from session.stages import Stages
from session.terminal import Terminal

ENDING = "-clapcap"
"""Of the folder's name, behind the video's."""

LATER = (
    *("lift.inference", "lift.upright.standing", "lift.weights_file", "safetensors.torch", "retarget.one_view"),
    *("retarget.cleanup.points", "retarget.joint_angles", "triangulate.pixel_noise"),
    *("session.lifted_picture", "session.report.take_page", "session.report.take_soles", "cv2", "jinja2"),
)
"""What the stages after the detection load."""

HINTS = {
    "scale": "Give the true one: --height 1.72",
    "lens": "Give what you know: --focal-mm 26 (as on 35 mm film), or a calibration: --camera cameras.toml",
}


@dataclass(frozen=True)
class SingleSession(Session):
    """The folder of one video's results as a session of one take: no session.toml, no calibration of its own."""

    video: Path
    given: Settings
    typed: str

    @cached_property
    def settings(self) -> Settings:
        """What the command was given."""
        return self.given

    def command(self, take: Recording) -> str:
        """Return what to type to get the same again."""
        return self.typed

    @property
    def cameras_file(self) -> Path:
        """The camera that filmed the video."""
        return self.root / "cameras.toml"

    @property
    def takes(self) -> list[Recording]:
        """The video."""
        name = self.video.name if self.video.is_dir() else self.video.stem
        return [Recording(name, self.video.parent, {name: self.video}, self.root)]


@dataclass(frozen=True)
class SingleOptions:
    """What `clapcap single` was given: see its help."""

    height_m: float | None = None
    cameras: Path | None = None
    camera_name: str | None = None
    focal_mm: float | None = None
    weights: Path | None = None
    overlay: bool = True

    def typed(self, video: Path, folder: Path) -> str:
        """Return the command with these options; of paths, the names."""
        words = ["clapcap", "single", video.name, "-o", folder.resolve().name]
        for option, value in (
            ("--height", self.height_m),
            ("--camera", self.cameras and self.cameras.name),
            ("--camera-name", self.camera_name),
            ("--focal-mm", self.focal_mm),
            ("--weights", self.weights and self.weights.name),
        ):
            if value is not None:
                words += [option, f"{value:g}" if isinstance(value, float) else str(value)]
        return shlex.join(words if self.overlay else [*words, "--no-overlay"])


def process_video(video: Path, output: Path | None, options: SingleOptions, terminal: Terminal) -> Path:
    """Make everything of a video, and return the folder that holds it.

    Raises
    ------
    ClapcapError
        With what, where and what to do; what was finished before stays.
    """
    from media.probe import probe

    _check_video(video)
    height = Height.of(options.height_m)
    weights = lifter_weights(options.weights)
    folder = output or Path(f"{video.name if video.is_dir() else video.stem}{ENDING}")
    _check_folder(folder)
    session = SingleSession(
        folder,
        video.resolve(),
        Settings(process=ProcessSettings(overlay=options.overlay, weights=str(weights.resolve()))),
        options.typed(video, folder),
    )
    (take,) = session.takes
    size_px = probe(video).size_px
    _refuse_other_video(session, folder, take.name, session.video)
    lens = find_lens(take.name, video, size_px, options.cameras, options.focal_mm, options.camera_name)
    if options.weights is not None:
        load_lifter(weights)  # a file that is none is told before minutes of detection
    stages = Stages(session, take, terminal)
    stages.manifest.claim()
    if not stages.manifest.inputs(f"detect {take.name}"):
        # This process waits while others detect, and the libraries of what follows take 3 s to load.
        Thread(target=_load_libraries).start()
    detect_take(session, take, stages, least=1)
    process_one_view(
        session,
        take,
        lens,
        height,
        stages,
        sources=() if options.cameras is None else (options.cameras.resolve(),),
    )
    _sum_up(session, folder, stages, terminal)
    return folder


def _load_libraries() -> None:
    for name in LATER:
        import_module(name)


def _check_video(video: Path) -> None:
    if not video.exists():
        raise SessionError(f"{video} does not exist. Check the path (you are in {Path.cwd().name}/).")
    if (video / "session.toml").is_file():
        raise SessionError(f"{video} is a session, `single` takes one video. Process it: clapcap process {video}")
    if not is_video(video):
        raise SessionError(
            f"{video} is no video: needed {' '.join(VIDEO_SUFFIXES)}, or a folder of pictures. Export it in one of "
            "these and try again."
        )


def _check_folder(folder: Path) -> None:
    """Refuse a folder that holds something else."""
    if folder.is_file():
        raise SessionError(f"{folder} is a file, needed a folder for the results. Choose another: -o DIR")
    if (folder / "session.toml").exists():
        raise SessionError(f"{folder} is a session folder, which `single` leaves alone. Choose another folder: -o DIR")
    if folder.exists() and any(folder.iterdir()) and not (folder / "manifest.json").is_file():
        raise SessionError(
            f"{folder} holds files that are not of this command, and nothing of them is written over. Choose a new "
            "folder, or an empty one: -o DIR"
        )


def _refuse_other_video(session: SingleSession, folder: Path, name: str, video: Path) -> None:
    """Refuse a folder that holds the results of another video, which would be lost."""
    manifest = Manifest(session.root, session.root)
    others = [stage for stage in manifest.stages if stage.startswith("detect ") and stage != f"detect {name}"]
    noted = manifest.inputs(f"detect {name}")
    same = not noted or str(video) in noted or manifest.digest(video) in noted.values()
    if others or not same:
        whose = others[0].removeprefix("detect ") if others else next(iter(noted))
        raise SessionError(
            f"{folder} holds the results of another video ({whose}), which stay as they are. Choose another folder: "
            "-o DIR"
        )


def _sum_up(session: SingleSession, folder: Path, stages: Stages, terminal: Terminal) -> None:
    """Say how good it is, what it rests on, and where the files are."""
    manifest = stages.manifest
    lifted, fit, cleaned = manifest.report(LIFT), manifest.report("fit"), manifest.report(CLEAN_UP)
    rows = [
        ("frames with somebody in them", f"{100 * lifted['seen_share']:.0f} %"),
        ("how well joints are known, by the network", f"± {lifted['sigma_mm']:.0f} mm"),
        ("skeleton from what the view shows, median", _pixels(fit.get("reprojection_median_px"))),
        ("points guessed over short gaps", f"{100 * (lifted['bridged_share'] + cleaned['filled_share']):.1f} %"),
        ("points missing, where nobody is seen for longer", f"{100 * lifted['missing_share']:.1f} %"),
        ("bone-length spread after IK", f"{100 * fit['spread_after']:.2f} %"),
        ("feet that stand slide by, at most", f"{fit['skating_mm']:.1f} mm"),
    ]
    terminal.table("How good it is", ("", session.takes[0].name), rows)
    tell_what_it_rests_on(lifted, HINTS, terminal)
    terminal.say(f"{folder}/")
    overlay = next((name for name in (f"overlay-{lifted['camera']}.mp4",) if (folder / name).exists()), "overlay.png")
    names = ", ".join(manifest.report("files")["files"])
    terminal.say(f"  {names}, keypoints3d.npz, motion.npz; look at report.html and {overlay}")


def _pixels(value: float | None) -> str:
    return "not known" if value is None else f"{value:.1f} px"
