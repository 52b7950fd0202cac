"""The lens: what a ray becomes in the picture is what the camera model says."""

import numpy as np
import pytest

from blender.lens import OVERSAMPLING, Lens
from blender.shoot import CAMERAS
from calib.cameras import Camera


def draw_dot(lens: Lens, ray: np.ndarray, sigma: float = 4.0) -> np.ndarray:
    """Draw a soft white dot into the ideal picture where the ray (2,) passes."""
    width, height = lens.ideal.size_px
    u, v = ray * lens.ideal.focal_px + np.array(lens.ideal.center_px)
    x, y = np.arange(width) - u, np.arange(height) - v
    dot = np.exp(-0.5 * (y[:, None] ** 2 + x[None, :] ** 2) / sigma**2)
    return np.repeat((200 * dot + 20).round().astype(np.uint8)[..., None], 3, axis=2)


def centroid(picture: np.ndarray) -> np.ndarray:
    weight = np.clip(picture[..., 0].astype(float) - 25, 0, None)
    v, u = np.mgrid[: picture.shape[0], : picture.shape[1]]
    return np.array([(u * weight).sum(), (v * weight).sum()]) / weight.sum()


@pytest.mark.parametrize("pixel", [(40.0, 30.0), (317.3, 181.6), (601.25, 322.5)])
@pytest.mark.parametrize("name", ["cam1", "cam2"])
def test_a_ray_lands_where_the_camera_model_projects_it(name, pixel):
    camera = CAMERAS[name]
    seen = Lens(camera).take(draw_dot(Lens(camera), camera.undistort(np.array(pixel))))
    # The dot is rounded to whole grey levels and clipped: its centroid is good to some hundredths of a pixel.
    np.testing.assert_allclose(centroid(seen), pixel, atol=0.05)


def test_without_distortion_the_ideal_picture_is_only_averaged():
    matrix = np.array([[50.0, 0, 19.5], [0, 50.0, 9.5], [0, 0, 1]])
    camera = Camera("plain", (40, 20), matrix, np.zeros(5), np.eye(4))
    lens = Lens(camera)
    width, height = lens.ideal.size_px
    # Half a sample beyond the picture's edge on each side, and the border.
    assert width == 40 * OVERSAMPLING + 2 * 4 - 1 + (40 * OVERSAMPLING + 1) % 2
    assert (lens.ideal.center_px[0] - (width - 1) / 2, height % 2) == (0, 0)
    flat = np.full((height, width, 3), 77, np.uint8)
    assert (lens.take(flat) == 77).all()


def test_every_pixel_of_every_camera_is_inside_the_ideal_picture():
    for camera in CAMERAS:
        lens = Lens(camera)
        width, height = lens.ideal.size_px
        white = np.full((height, width, 3), 255, np.uint8)
        assert (lens.take(white) == 255).all()


def test_a_picture_of_the_wrong_size_is_refused():
    with pytest.raises(ValueError, match="cam1: ideal picture of shape"):
        Lens(CAMERAS["cam1"]).take(np.zeros((10, 10, 3), np.uint8))
