"""The page of a take in a real browser: it moves, turns, and every chart leads to its moment."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from browser import BROWSERS, Page, browser_page, find_browser
from take_scene import FRAMES, JUMP, soles, take, walk

from session.report.take_page import take_page

FRAME = "Number(document.getElementById('when').value)"
PICTURE = "document.querySelector('.scene canvas').toDataURL()"
DRAWN = "Number(document.querySelector('.scene canvas').dataset.drawn)"
CHOSEN = "[...document.querySelectorAll('select[data-joint]')].map((select) => select.selectedOptions[0].text)"


@pytest.fixture(name="page", scope="module")
def _page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    browser = find_browser()
    if browser is None:
        pytest.skip(f"no browser to look at the page with: none of {', '.join(BROWSERS)} is installed")
    with browser_page(browser, tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(name="file", scope="module")
def _file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stands = np.arange(FRAMES) % 60 < 30
    file = tmp_path_factory.mktemp("page") / "report.html"
    made = take()
    under = soles(made.motion, left_foot=stands, right_foot=~stands)
    file.write_text(take_page(replace(made, soles=under)), encoding="utf-8")
    return file


def press(page: Page, key: str, code: str) -> None:
    for kind in ("keyDown", "keyUp"):
        text = {"text": key} if kind == "keyDown" and len(key) == 1 else {}
        page.call("Input.dispatchKeyEvent", type=kind, key=key, code=code, **text)
    page.settle()


def click(page: Page, selector: str, x: float, y: float) -> None:
    """Click into an element, at shares of its width and height."""
    page.run(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center', behavior: 'instant'}})")
    last = None
    while last != (last := page.run("scrollY")):  # a button may have sent the page on its way
        page.settle()
        page.settle()
    left, top, width, height = page.run(
        f"(({{x, y, width, height}}) => [x, y, width, height])(document.querySelector({selector!r})"
        ".getBoundingClientRect())"
    )
    at = (left + x * width, top + y * height)
    page.drag(at, at)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_shows_it(page: Page, file: Path, width: int, dark: bool) -> None:
    page.requests.clear()
    page.open(file, width, 900, dark)
    assert page.run("getComputedStyle(document.body).backgroundColor") == (
        "rgb(20, 22, 27)" if dark else "rgb(244, 245, 247)"
    )
    assert page.run("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert page.run("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    assert page.run(
        "[...document.querySelectorAll('#way .curve')].every((path) => path.getAttribute('d').length > 1000)"
    )
    # Everything that can be used has a name for those who do not see it.
    assert page.run(
        """[...document.querySelectorAll("button, select, input, canvas, img, svg[role=img]")].every((element) =>
          element.textContent.trim() || element.getAttribute("aria-label") || element.alt || element.closest("label")
          || document.querySelector(`label[for="${element.id}"]`))"""
    )
    assert page.complaints == []
    assert page.requests == [file.as_uri()]


def test_it_plays_and_stops(page: Page, file: Path) -> None:
    page.open(file, 1280, 900)
    page.run("document.querySelector('#loop').click(); document.querySelector('#when').value = 0")
    page.run("document.querySelector('#when').dispatchEvent(new Event('input'))")
    before = page.run(PICTURE)
    assert page.run(FRAME) == 0
    page.run("document.querySelector('#play').click()")
    assert page.run("document.querySelector('#play').textContent") == "Pause"
    while page.run(FRAME) < 30:
        page.settle()
    assert page.run(PICTURE) != before
    page.run("document.querySelector('#play').click()")
    page.settle()
    stopped = page.run(FRAME)
    page.settle()
    assert page.run(FRAME) == stopped
    assert page.run("document.querySelector('#play').getAttribute('aria-pressed')") == "false"
    # Without "again and again" it ends at the end.
    page.run(f"document.querySelector('#when').value = {FRAMES - 3}")
    page.run(
        "document.querySelector('#when').dispatchEvent(new Event('input')); document.querySelector('#play').click()"
    )
    while page.run("document.querySelector('#play').textContent") == "Pause":
        page.settle()
    assert page.run(FRAME) == FRAMES - 1
    assert page.complaints == []


def test_keys_move_it(page: Page, file: Path) -> None:
    page.open(file, 1280, 900)
    page.run("document.querySelector('.scene canvas').focus()")
    start = page.run(FRAME)
    press(page, ".", "Period")
    press(page, ".", "Period")
    press(page, ",", "Comma")
    assert page.run(FRAME) == start + 1
    before = page.run(PICTURE)
    press(page, "ArrowLeft", "ArrowLeft")
    assert page.run(PICTURE) != before
    press(page, " ", "Space")
    assert page.run("document.querySelector('#play').textContent") == "Pause"
    press(page, " ", "Space")
    assert page.run("document.querySelector('#play').textContent") == "Play"


def test_charts_lead_to_their_moment(page: Page, file: Path) -> None:
    page.open(file, 1280, 900)
    click(page, ".panel:nth-of-type(1) .timed[data-rows]", 0.502, 0.02)
    assert page.run(FRAME) == FRAMES // 2
    assert page.run(CHOSEN)[0] == "nose"
    assert page.run("getComputedStyle(document.body).getPropertyValue('--now')") == str((FRAMES // 2 + 0.5) / FRAMES)
    page.run("document.querySelector('button.seek').click()")
    page.settle()
    assert page.run(FRAME) == JUMP
    assert page.run(CHOSEN) == ["right elbow", "right elbow (1 jump)"]
    assert page.run("document.querySelector('#way .jumps').getAttribute('d')") == (
        f"M{1000 * (JUMP + 0.5) / FRAMES:.1f} 0V100"
    )
    page.run("document.querySelector('#span').value = '2'")
    page.run("document.querySelector('#span').dispatchEvent(new Event('change'))")
    page.settle()
    assert page.run("document.querySelector('#way-ticks').textContent") == "0.67 s1.17 s1.67 s2.17 s2.67 s"
    click(page, "#way .timed", 0.25, 0.5)
    assert page.run(FRAME) == pytest.approx(JUMP - 30, abs=1)


def test_what_was_guessed_is_dashed(page: Page, file: Path) -> None:
    page.open(file, 1280, 900)
    page.run("document.querySelector('#joint').value = 15")
    page.run("document.querySelector('#joint').dispatchEvent(new Event('change'))")
    page.settle()
    assert page.run(CHOSEN)[1] == "left wrist"
    assert page.run("document.querySelector('#way .guessed').getAttribute('d').split('L').length") == 80
    assert page.run("document.querySelector('#way .curve').getAttribute('d').split('M').length") == 3


def test_the_other_people_are_there_for_their_own_time(page: Page, tmp_path: Path) -> None:
    other = walk(FRAMES)
    half = replace(
        other,
        rotation_xyzw=other.rotation_xyzw[:120],
        root_m=other.root_m[:120] + np.array([1.0, 0.0, 0.0]),
        time_s=other.time_s[:120],
    )
    file = tmp_path / "report.html"
    file.write_text(take_page(take(faults=False, others={"Person 2": half})), encoding="utf-8")
    page.open(file, 1280, 900)

    def drawn(frame: int) -> int:
        page.run(f"document.querySelector('#when').value = {frame}")
        page.run("document.querySelector('#when').dispatchEvent(new Event('input'))")
        page.settle()
        return int(page.run(DRAWN))

    both, alone = drawn(118), drawn(200)
    assert both - alone == len(other.joint_names) - 1 + 1  # a line or a ball for each bone, and a shadow
    page.run("document.querySelector(\"input[data-layer='others']\").click()")
    page.settle()
    assert both - drawn(118) == len(other.joint_names) - 1
    assert page.complaints == []


def test_layers_and_views(page: Page, file: Path) -> None:
    page.open(file, 1280, 900)
    drawn = page.run(DRAWN)
    for layer in ("body", "shadow", "trail", "cameras"):
        page.run(f"document.querySelector(\"input[data-layer='{layer}']\").click()")
        page.settle()
        fewer = page.run(DRAWN)
        assert fewer < drawn, layer
        drawn = fewer
    page.run("document.querySelector(\"input[data-layer='points']\").click()")
    page.settle()
    assert page.run(DRAWN) >= drawn + 33
    pictures = [page.run(PICTURE)]
    for button in ("whole", "above", "in", "reset"):
        page.run(f"document.querySelector('button[data-do={button}]').click()")
        page.settle()
        pictures.append(page.run(PICTURE))
    assert len(set(pictures[:4])) == 4
    assert pictures[4] == pictures[0]
    page.run("document.querySelector('#follow').click()")
    page.run(
        "document.querySelector('#when').value = 5; document.querySelector('#when').dispatchEvent(new Event('input'))"
    )
    page.settle()
    assert page.run(PICTURE) != pictures[0]
    assert page.complaints == []
