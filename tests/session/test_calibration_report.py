"""The page of a calibration: what it says, that no text of the user's can break it, and how a browser shows it."""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.transform import Rotation

sys.path.insert(0, str(Path(__file__).parent))
from browser import BROWSERS, Page, browser_page, find_browser

from calib.cameras import Camera, CameraGroup
from calib.quality.comparison import compare
from calib.quality.uncertainty import CameraCovariance
from calib.solve.diagnostics import Diagnostics
from session.report.calibration_page import CalibrationFindings, calibration_page
from session.report.page import millimetres
from session.report.pictures import cut_out

Array = npt.NDArray[np.float64]

SIZE = (640, 360)
NAMES = ("front", "</script><img src=x onerror=alert(1)>", "left \"&' {{ 7 * 7 }}")
CORNERS = np.array([[x, y, 0.0] for y in (0.1, 0.0, -0.1) for x in (-0.15, -0.05, 0.05, 0.15)])
FRAMES = 12
OUTLIER = (4, 5)  # view and corner, 30 px off


def studio() -> CameraGroup:
    """Three cameras 3 m from the origin, 1.5 m up."""
    cameras = []
    for name, angle in zip(NAMES, (-0.7, 0.0, 0.7), strict=True):
        center = np.array([3 * np.sin(angle), -3 * np.cos(angle), 1.5])
        forward = np.array([0, 0, 0.9]) - center
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0, 0, 1])
        right /= np.linalg.norm(right)
        T = np.eye(4)
        T[:3, :3] = np.stack([right, np.cross(forward, right), forward])
        T[:3, 3] = -T[:3, :3] @ center
        cameras.append(Camera(name, SIZE, np.array([[520, 0, 320], [0, 520, 180], [0, 0, 1]]), np.zeros(5), T))
    return CameraGroup(tuple(cameras))


def findings(folder: Path | None = None, **changes: Any) -> CalibrationFindings:
    """A board carried before the cameras; pictures of one colour for each camera, if there is a folder for them."""
    cameras = studio()
    rng = np.random.default_rng(0)
    T_world_board = np.tile(np.eye(4), (FRAMES, 1, 1))
    T_world_board[:, :3, :3] = Rotation.from_euler("xz", rng.normal([90, 0], 15, (FRAMES, 2)), degrees=True).as_matrix()
    T_world_board[:, :3, 3] = rng.uniform([-0.6, -0.4, 0.6], [0.6, 0.4, 1.6], (FRAMES, 3))
    T_world_board[-1] = np.eye(4)  # it lies on the floor
    camera, moment = (grid.ravel() for grid in np.meshgrid(np.arange(3), np.arange(FRAMES)))
    T = T_world_board[moment]
    xyz_m = CORNERS @ np.swapaxes(T[:, :3, :3], 1, 2) + T[:, None, :3, 3]
    predicted = np.stack([cameras.cameras[c].project(points) for c, points in zip(camera, xyz_m, strict=True)])
    residual_px = rng.normal(0, 0.3, predicted.shape)
    residual_px[OUTLIER] = [30, 0]
    residual_px[7, 2] = np.nan
    inlier = np.isfinite(residual_px[..., 0])
    inlier[OUTLIER] = False
    covariance = np.zeros((3, 7, 3, 7))
    for place in (0, 2):
        covariance[place, :, place] = np.diag([1.0, 1e-7, 1e-7, 1e-7, 1e-6, 1e-6, 1e-6])
    diagnostics = Diagnostics(
        camera_names=NAMES,
        image_size_px=np.tile(SIZE, (3, 1)),
        board="5 x 4 squares of 100 mm",
        corners_m=CORNERS,
        camera=camera,
        moment=moment,
        frame_index=moment,
        xy_px=predicted + residual_px,
        residual_px=residual_px,
        inlier=inlier,
        T_world_board=T_world_board,
        shared_views=np.array([[12, 12, 0], [12, 12, 12], [0, 12, 12]]),
        errors=CameraCovariance(covariance, ("focal", "rx", "ry", "rz", "tx", "ty", "tz"), NAMES[1]),
        noise_px=0.3,
    )
    videos = {}
    for place, name in enumerate(NAMES if folder is not None else ()):
        assert folder is not None
        videos[name] = folder / str(place)
        videos[name].mkdir(parents=True)
        for index in range(FRAMES):
            shade = np.full((SIZE[1], SIZE[0], 3), 40 + 60 * place, dtype=np.uint8)
            cv2.imwrite(str(videos[name] / f"{index:03}.png"), shade)
    verdict = {
        "grade": "usable", "headline": "Good to about 2 mm.", "cameras": [], "weakest": "", "notes": [],
        "next_step": "Next: <b>record</b>.",
    }  # fmt: skip
    lags = [{"name": name, "lag_s": 0.012 * place, "lag_std_s": 0.001} for place, name in enumerate(NAMES)]
    made = CalibrationFindings(
        session="<i>my</i> session",
        made="on 1 May 2026 at 10:00",
        cameras=cameras,
        diagnostics=diagnostics,
        world="floor: the board lay still",
        solve={"verdict": verdict, "cameras": lags},
        clocks=None,
        comparison=None,
        before=None,
        before_words="",
        settings=[("videos", "a&b.mp4 </td>")],
        videos=videos,
    )
    return replace(made, **changes)


class Reader(HTMLParser):
    """Gathers what a page holds: tags, addresses that it would ask for, and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, Mapping[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def addresses(self) -> list[str]:
        keys = ("src", "href", "xlink:href", "action", "data", "poster", "srcset")
        return [attrs[key] or "" for _, attrs in self.tags for key in keys if key in attrs]


def test_what_the_user_named_is_shown_and_never_run() -> None:
    page = calibration_page(findings())
    found = Reader(page)
    assert "Calibration of <i>my</i> session" in found.text
    assert "a&b.mp4 </td>" in found.text
    assert "Next: <b>record</b>." in found.text
    assert "left \"&' {{ 7 * 7 }}" in found.text
    assert not [tag for tag, attributes in found.tags if tag == "img" or "onerror" in attributes]
    # The names in the scene as well: the block of JSON ends where it should, and holds them as they are.
    blocks = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert len(blocks) == 1
    texts = {item["text"] for item in json.loads(blocks[0])["items"] if item["kind"] == "text"}
    assert texts == {*NAMES, "x", "y", "z"}


def test_nothing_is_asked_of_any_host(tmp_path: Path) -> None:
    page = calibration_page(findings(tmp_path))
    addresses = Reader(page).addresses
    assert len(addresses) > 8  # three pictures, used twice each, maps and an outlier
    assert all(address.startswith(("data:", "#")) for address in addresses)
    style = "".join(re.findall(r"<style>(.*?)</style>", page, re.DOTALL))
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in page


def test_the_numbers_are_those_of_the_residuals() -> None:
    given = findings()
    found = Reader(calibration_page(given))
    inlying = given.diagnostics.distance_px[given.diagnostics.inlier]
    assert f"{np.sqrt(np.mean(inlying**2)):.2f} px" in found.text
    assert f"Half of the corners are within {np.median(inlying):.2f} px" in found.text
    corners = FRAMES * 3 * len(CORNERS) - 1
    assert f"1 of {corners} corners were left out" in found.text
    assert "+24.0 ± 1.0 ms" in found.text  # the lag of the third camera


def test_the_outlier_is_cut_out_of_its_frame(tmp_path: Path) -> None:
    given = findings(tmp_path)
    page = calibration_page(given)
    diagnostics = given.diagnostics
    place, frame = diagnostics.camera[OUTLIER[0]], diagnostics.frame_index[OUTLIER[0]]
    assert f"frame {frame}, corner {OUTLIER[1]}: <b>30.0 px</b>" in page
    piece = re.search(r'aria-label="Corner 5 in .*?<image href="data:image/jpeg;base64,([^"]+)"', page, re.DOTALL)
    assert piece is not None
    image = cv2.imdecode(np.frombuffer(base64.b64decode(piece[1]), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert abs(float(image.mean()) - (40 + 60 * place)) < 3  # the shade of that camera
    seen = diagnostics.xy_px[OUTLIER]
    assert f'cx="{seen[0]:.2f}" cy="{seen[1]:.2f}"' in page
    assert f"M{seen[0] - 30 - image.shape[1] / 22:.2f}" in page  # the cross stands 30 px to the left


def test_without_covariance_the_page_says_less() -> None:
    given = findings()
    page = calibration_page(replace(given, diagnostics=replace(given.diagnostics, errors=None, noise_px=np.nan)))
    assert "How accurate, and where" not in page
    assert "not known" in page
    assert "How accurate, and where" in calibration_page(given)


def test_a_camera_that_saw_nothing_and_corners_without_error_are_no_trouble() -> None:
    given = findings()
    diagnostics = given.diagnostics
    own = diagnostics.camera < 2
    exact = np.where(np.isfinite(diagnostics.residual_px), 0.0, np.nan)
    few = replace(
        diagnostics,
        camera=diagnostics.camera[own],
        moment=diagnostics.moment[own],
        frame_index=diagnostics.frame_index[own],
        xy_px=diagnostics.xy_px[own],
        residual_px=exact[own],
        inlier=np.isfinite(exact[own][..., 0]),
    )
    text = Reader(calibration_page(replace(given, diagnostics=few))).text
    assert f"All {own.sum() * len(CORNERS) - 1} corners fit." in text
    assert "0.00 px" in text


def test_a_piece_at_the_rim_is_dark_outside_of_the_picture() -> None:
    picture = np.full((20, 30, 3), 200, dtype=np.uint8)
    piece, left, top = cut_out(picture, np.array([1.2, 18.9]), 4)
    assert piece.shape == (9, 9, 3)
    assert (left, top) == (-3, 15)
    lit = piece[..., 0] == 200
    assert lit.sum() == 6 * 5  # columns 0 to 5, rows 15 to 19
    assert lit[:5, 3:].all()
    for far in ([-9.0, 5.0], [5.0, -9.0], [90.0, 5.0], [5.0, 90.0]):
        beside, _, _ = cut_out(picture, np.array(far), 4)
        assert (beside < 50).all()


def test_what_moved_is_named() -> None:
    given = findings()
    cameras = list(given.cameras)
    T = cameras[0].T_cam_world.copy()
    T[:3, 3] += [0.05, 0, 0]
    before = CameraGroup((replace(cameras[0], T_cam_world=T), *cameras[1:]))
    page = calibration_page(
        replace(given, before=before, comparison=compare(before, given.cameras), before_words="cameras-1.toml")
    )
    text = Reader(page).text
    assert "Compared with cameras-1.toml." in text
    assert "front moved" in text
    assert "50 mm" in text
    assert '"layer": "before"' in page
    assert '"layer": "before"' not in calibration_page(given)


@pytest.mark.parametrize(
    ("length_m", "words"),
    [(3.456e-4, "0.35 mm"), (0.99496e-3, "0.99 mm"), (0.9996e-3, "1.0 mm"), (4.24e-3, "4.2 mm"), (36e-3, "36 mm"),
     (np.nan, "not known"), (np.inf, "not known"), (None, "not known")],
)  # fmt: skip
def test_millimetres_have_two_digits(length_m: float | None, words: str) -> None:
    assert millimetres(length_m) == words


INKED = """(() => {
  const canvas = document.querySelector(".scene canvas");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const colours = new Set();
  let count = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    if (pixels[i + 3]) { count++; colours.add(pixels.slice(i, i + 3).join()); }
  }
  return [count, colours.size];
})()"""
DRAWN = "Number(document.querySelector('.scene canvas').dataset.drawn)"
PICTURE = "document.querySelector('.scene canvas').toDataURL()"


@pytest.fixture(name="page", scope="module")
def _page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    browser = find_browser()
    if browser is None:
        pytest.skip(f"no browser to look at the page with: none of {', '.join(BROWSERS)} is installed")
    with browser_page(browser, tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_shows_it(page: Page, tmp_path: Path, width: int, dark: bool) -> None:
    file = tmp_path / "report.html"
    file.write_text(calibration_page(findings(tmp_path / "videos")), encoding="utf-8")
    page.requests.clear()
    page.open(file, width, 900, dark)
    assert page.run("getComputedStyle(document.body).backgroundColor") == (
        "rgb(20, 22, 27)" if dark else "rgb(244, 245, 247)"
    )
    assert page.run("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0

    pixels, colours = page.run(INKED)
    assert pixels > 5000  # lines, faces and three pictures
    assert colours > 50
    drawn = page.run(DRAWN)
    box = "document.querySelector(\"input[data-layer='boards']\")"
    page.run(f"{box}.click()")
    page.settle()
    assert page.run(DRAWN) == drawn - 2 * FRAMES  # an outline and a face for each place of the board
    page.run(f"{box}.click()")
    page.settle()

    before = page.run(PICTURE)
    page.run("document.querySelector('.scene canvas').scrollIntoView({block: 'center'})")
    x, y = page.run("(({x, y}) => [x, y])(document.querySelector('.scene canvas').getBoundingClientRect())")
    page.drag((x + 60, y + 60), (x + 160, y + 80))
    assert page.run(PICTURE) != before
    page.run("document.querySelector('button[data-do=reset]').click()")
    page.settle()
    assert page.run(PICTURE) == before

    page.run("document.querySelector('#noise-board').click()")
    panels = "[...document.querySelectorAll('.panel')].map((panel) => getComputedStyle(panel).display)"
    assert page.run(panels) == ["none", "block"]
    assert page.complaints == []
    assert page.requests == [file.as_uri()]
