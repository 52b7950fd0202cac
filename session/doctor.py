"""Is everything here that clapcap needs? Each check has a finding and, where something is wrong, a remedy."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from clapcap import __version__
from session.terminal import Terminal

LEAST_FREE_GB = 2.0  # a ten-minute session of four cameras leaves about 0.3 GB of results


@dataclass(frozen=True)
class Finding:
    """What a check found: `remedy` is empty where all is well; `needed` is False for what clapcap can do without."""

    what: str
    found: str
    remedy: str = ""
    needed: bool = True


def examine() -> list[Finding]:
    """Run all checks, the cheap ones first."""
    findings = [_python()]
    findings += [_library(*entry) for entry in LIBRARIES]
    findings += [_models(), _lifter(), _example(), _disk()]
    findings += [_extra(*entry) for entry in EXTRAS]
    return findings


def show(findings: list[Finding], terminal: Terminal) -> bool:
    """Print the findings; return whether everything that is needed is there."""
    for finding in findings:
        if not finding.remedy:
            terminal.done(finding.what, finding.found)
        else:
            terminal.warn(f"{finding.what}  {finding.found}")
            terminal.say(f"    {finding.remedy}")
    healthy = not any(finding.remedy and finding.needed for finding in findings)
    terminal.say("All is well." if healthy else "Something that clapcap needs is missing: see the lines marked !.")
    return healthy


SYSTEM_LIBRARIES = "On Debian and Ubuntu: sudo apt-get install libgl1 libglib2.0-0"
REINSTALL = 'Install again in a fresh environment: pip install "clapcap" -c constraints.txt'

LIBRARIES: tuple[tuple[str, str, str], ...] = (
    ("numpy", "numpy", REINSTALL),
    ("scipy", "scipy", REINSTALL),
    ("opencv-contrib-python", "cv2.aruco", SYSTEM_LIBRARIES),
    ("mediapipe", "mediapipe.tasks.python.vision", REINSTALL),
    ("av", "av", REINSTALL),
    ("librosa", "librosa", REINSTALL),
    ("aniposelib", "aniposelib.cameras", REINSTALL),
    ("torch", "torch", REINSTALL),
    ("safetensors", "safetensors.torch", REINSTALL),
)
EXTRAS: tuple[tuple[str, str, str], ...] = (
    ("ezc3d", "C3D files", 'To read and write C3D: pip install "clapcap[c3d]"'),
    ("bpy", "Blender", 'To render the example again: pip install "clapcap[blender]" (Python 3.11)'),
)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    right = (3, 10) <= sys.version_info[:2] <= (3, 12)
    remedy = "" if right else "clapcap needs Python 3.10, 3.11 or 3.12: MediaPipe has no build for others."
    return Finding("Python", f"{version}, clapcap {__version__}, {os.cpu_count()} cores", remedy)


def _library(distribution: str, module: str, remedy: str) -> Finding:
    try:
        importlib.import_module(module)
        version = metadata.version(distribution)
    except Exception as error:  # an import may fail in any way: a missing system library, a wrong binary
        return Finding(distribution, f"cannot be imported: {type(error).__name__}: {error}", remedy)
    return Finding(distribution, version)


def _extra(distribution: str, what: str, remedy: str) -> Finding:
    try:
        return Finding(what, f"{distribution} {metadata.version(distribution)}")
    except metadata.PackageNotFoundError:
        return Finding(what, f"{distribution} is not installed (clapcap does without it)", remedy, needed=False)


def _checked(what: str, check: Callable[[], str], remedy: str) -> Finding:
    try:
        return Finding(what, check())
    except Exception as error:  # whatever goes wrong is the finding
        return Finding(what, f"{type(error).__name__}: {error}", remedy)


def _models() -> Finding:
    def check() -> str:
        from detect.mediapipe_pose import bundled_model

        size_mb = len(bundled_model()) / 1e6
        return f"pose landmarker, {size_mb:.1f} MB, from MediaPipe's own wheel (no download)"

    return _checked("model", check, REINSTALL)


def _lifter() -> Finding:
    def check() -> str:
        from lift.shipped import shipped_weights
        from lift.weights_file import load_weights

        path = shipped_weights()
        if path is None:
            raise FileNotFoundError("no weights in the package")
        load_weights(path)
        return f"one view to 3D, {path.stat().st_size / 1e6:.1f} MB, ships with clapcap"

    return _checked("lifter", check, REINSTALL)


def _example() -> Finding:
    def check() -> str:
        from session.demo import EXAMPLE

        videos = sorted(EXAMPLE.rglob("*.mp4"))
        if not videos:
            raise FileNotFoundError("no videos in the package")
        return f"{len(videos)} videos, {sum(video.stat().st_size for video in videos) / 1e6:.1f} MB"

    return _checked("example", check, REINSTALL)


def _disk() -> Finding:
    here = Path.cwd()
    free_gb = shutil.disk_usage(here).free / 1e9
    found = f"{free_gb:.1f} GB free in {here.name or here}/"
    if free_gb < LEAST_FREE_GB:
        return Finding("disk", found, f"Results need room: have {LEAST_FREE_GB:.0f} GB or more free.")
    try:
        with tempfile.TemporaryFile(dir=here):
            pass
    except OSError as error:
        return Finding("disk", f"{here} cannot be written to: {error.strerror}", "Work in a folder of your own.")
    return Finding("disk", found)
