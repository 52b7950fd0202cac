"""MediaPipe's pose landmarker (BlazePose, 33 points) through its Tasks API, with the models of MediaPipe's wheel.

Source of the model: V. Bazarevsky et al., "BlazePose: On-device real-time body pose tracking", 2020.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from clapcap.errors import DetectionError
from detect.detector import PEOPLE, DetectedPerson, Image
from skeleton.joint_sets import load_joint_set

# The models in MediaPipe's wheel and what the Tasks API calls them in its bundle, with the normalisation (mean, std) of
# 8-bit pixels that each was trained with: the wheel's files lack it, the Tasks API refuses models without it.
_MODELS = (
    ("pose_detection/pose_detection.tflite", "pose_detector.tflite", 127.5, 127.5),
    ("pose_landmark/pose_landmark_full.tflite", "pose_landmarks_detector.tflite", 0.0, 255.0),
)


@lru_cache(maxsize=1)
def bundled_model() -> bytes:
    """Return a `.task` bundle made from the "full" models in MediaPipe's wheel; takes 0.3 s, writes no file.

    Raises
    ------
    DetectionError
        If the installed MediaPipe does not carry the models.
    """
    import mediapipe

    modules = Path(mediapipe.__file__).parent / "modules"
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_STORED) as archive:
        for source, name, mean, std in _MODELS:
            try:
                model = bytearray((modules / source).read_bytes())
            except OSError as error:
                raise DetectionError(
                    f"MediaPipe {mediapipe.__version__} carries no {source} ({error}). Install mediapipe==0.10.21, or "
                    "name a pose landmarker's .task file of your own."
                ) from error
            # A fixed date, so that the bundle is the same bytes every time.
            archive.writestr(zipfile.ZipInfo(name), _with_normalisation(model, name, mean, std))
    return bundle.getvalue()


def _with_normalisation(model: bytearray, name: str, mean: float, std: float) -> bytes:
    from mediapipe.tasks.python.metadata.metadata_writers.metadata_writer import MetadataWriter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the writer leaves closing its temporary files to Python
        writer = MetadataWriter.create(model)
        writer.add_general_info(name)
        writer.add_image_input([mean], [std])
        return bytes(writer.populate()[0])


class MediaPipePose:
    """The people in each frame, as MediaPipe sees them; the largest in the picture first.

    Every frame is looked at for itself. MediaPipe's way of following one person through a video also smooths the
    landmarks, and lags: joints of a rendered dance (three cameras) are then 18.8 mm off on average, not 15.0. It
    would take 11 ms a frame instead of 17 (one core, 1080 x 1920).

    The confidence of a point is MediaPipe's visibility (not hidden by something) times its presence (inside the
    picture). Points that MediaPipe guesses outside the picture are not observed: NaN, confidence 0; `world_m` keeps
    the guess of all points, its origin between the hips.

    Parameters
    ----------
    model_path
        A pose landmarker's `.task` file (lite, full, heavy), or None for the bundled "full" models.
    people
        How many are looked for, at most.

    Raises
    ------
    DetectionError
        If the model file is missing or is no pose landmarker.
    """

    def __init__(self, model_path: Path | None = None, people: int = PEOPLE) -> None:
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        self._names = load_joint_set("blazepose33").points
        try:
            model = bundled_model() if model_path is None else model_path.read_bytes()
            options = vision.PoseLandmarkerOptions(
                base_options=BaseOptions(model_asset_buffer=model),
                running_mode=vision.RunningMode.IMAGE,
                num_poses=people,
            )
            self._landmarker: Any = vision.PoseLandmarker.create_from_options(options)
        except (OSError, RuntimeError, ValueError) as error:
            raise DetectionError(
                f"MediaPipe's pose landmarker does not start with {model_path or 'its bundled models'}: {error}. "
                "Name a pose landmarker's .task file, or leave the option out for the bundled models."
            ) from error
        self._mediapipe: Any = mediapipe

    @property
    def names(self) -> tuple[str, ...]:
        """BlazePose's 33 points."""
        return self._names

    def detect(self, image: Image, time_s: float) -> tuple[DetectedPerson, ...]:
        """Return the people found in a (height, width, 3) RGB picture; its time does not matter."""
        picture = self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image))
        found = self._landmarker.detect(picture)
        height, width = image.shape[:2]
        people = [
            _person(landmarks, world, width, height)
            for landmarks, world in zip(found.pose_landmarks, found.pose_world_landmarks, strict=True)
        ]
        return tuple(sorted(people, key=_size_px, reverse=True))

    def close(self) -> None:
        """Free the landmarker."""
        self._landmarker.close()


def _person(landmarks: Any, world: Any, width: int, height: int) -> DetectedPerson:
    at = np.array([[p.x, p.y, p.visibility, p.presence] for p in landmarks])
    inside = ((at[:, :2] >= 0) & (at[:, :2] <= 1)).all(axis=1)
    # MediaPipe's 0 and 1 are the picture's edges, half a pixel outside the centres of the outermost pixels.
    xy_px = at[:, :2] * (width, height) - 0.5
    confidence = np.clip(at[:, 2], 0, 1) * np.clip(at[:, 3], 0, 1)
    return DetectedPerson(
        xy_px=np.where(inside[:, None], xy_px, np.nan),
        confidence=np.where(inside, confidence, 0.0),
        world_m=np.array([[p.x, p.y, p.z] for p in world]),
    )


def _size_px(person: DetectedPerson) -> float:
    """Return the diagonal of the box around the points in the picture; 0 where there are none."""
    inside = person.xy_px[np.isfinite(person.xy_px).all(axis=-1)]
    return float(np.linalg.norm(np.ptp(inside, axis=0))) if len(inside) else 0.0
