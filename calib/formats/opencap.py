"""OpenCap's `cameraIntrinsicsExtrinsics.pickle`, one a camera in folders `Cam0`, `Cam1`, ...; written only.

Reading is refused: a pickle can run any code that its author put in.

    intrinsicMat (3, 3), distortion (1, 5), imageSize (2, 1): height, width
    rotation (3, 3), translation (3, 1), millimetres: world to camera
    rotation_EulerAngles (3, 1): a rotation vector, in spite of its name

OpenCap's world is that of its checkerboard on the back wall: x to the board's right, y down, z into the wall. What has
Z up here is turned into it, so that OpenCap with `placement: backWall` turns it upright. Pose2Sim turns it back.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping

import numpy as np
from scipy.spatial.transform import Rotation

from calib.cameras import CameraGroup
from calib.formats.contract import MILLIMETRES, Codec, Writing, in_natural_order, refuse_lenses

FILE = "cameraIntrinsicsExtrinsics.pickle"

WORLD_FROM_WALL = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, -1.0, 0.0]])
"""From OpenCap's world to one with Z up, by half a turn about (0, 1, -1): its own inverse."""

PROTOCOL = 4
"""What every Python since 3.4 reads."""


def _write(cameras: CameraGroup, metadata: Mapping[str, str | float]) -> Writing:
    refuse_lenses("OpenCap", cameras, "brown", remedy="Calibrate with the Brown lens, or undistort the videos first.")
    files, places = {}, []
    for number, name in enumerate(in_natural_order(cameras.names)):
        camera = cameras[name]
        rotation = camera.T_cam_world[:3, :3] @ WORLD_FROM_WALL
        content = {
            "distortion": camera.distortion[None].copy(),
            "intrinsicMat": camera.matrix.copy(),
            "imageSize": np.array(camera.size_px[::-1], dtype=np.float64)[:, None],
            "rotation": rotation,
            "translation": camera.T_cam_world[:3, 3:] / MILLIMETRES.metres,
            "rotation_EulerAngles": Rotation.from_matrix(rotation).as_rotvec()[:, None],
        }
        files[f"Cam{number}/{FILE}"] = pickle.dumps(content, protocol=PROTOCOL)
        if name != f"Cam{number}":
            places.append(f"{name} is Cam{number}")
    notes = ["OpenCap has to be told that the board is on the back wall (placement: backWall in sessionMetadata.yaml)."]
    if places:
        notes.insert(0, f"OpenCap counts its cameras: {', '.join(places)}.")
    return Writing(files, tuple(notes))


CODEC = Codec("opencap", "OpenCap's pickles", "opencap", True, None, None, _write)
