"""The page of a sync: what it says of every kind of clocks, that no name can break it, and how a browser shows it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from browser import BROWSERS, Page, browser_page, find_browser
from sync_scene import CLAPS_S, OFFSETS_S, film_take

from media.audio import read_audio
from session.folder import Recording
from session.frame_clocks import frame_clocks
from session.report.page import milliseconds
from session.report.sync_page import SyncFindings, sync_page
from session.report.sync_sounds import arrivals_of, drift_of
from session.report.sync_words import camera_words, shares_of_frame, verdict_of
from sync.clap import SyncResult, sync_by_clap
from sync.fixed import shared_frames
from sync.time_map import CameraClock, TimeMap

EVIL = '<img src=x onerror=alert(1)>"&{{ 7 * 7 }}'


@pytest.fixture(name="take", scope="module")
def _take(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return film_take(tmp_path_factory.mktemp("session") / "s").take("dance")[0]


@pytest.fixture(name="heard", scope="module")
def _heard(take: Recording) -> SyncResult:
    return sync_by_clap({name: read_audio(path, mono=True) for name, path in take.videos.items()})


def findings(take: Recording, time_map: TimeMap, heard: SyncResult | None) -> SyncFindings:
    return SyncFindings(
        session="studio",
        recording=take.name,
        made="on 1 May",
        time_map=time_map,
        heard=heard,
        videos=take.videos,
        times=frame_clocks(take, time_map),
        refined={},
    )


def text_of(page: str) -> str:
    """Return what a page says, in one line."""
    shown = re.sub(r"<(style|script|svg|defs)\b.*?</\1>", " ", page, flags=re.S)
    return " ".join(re.sub(r"<[^>]*>", " ", shown).split())


def test_sound_shows_every_clap_where_it_was(take: Recording, heard: SyncResult) -> None:
    arrivals = arrivals_of(heard, heard.time_map)
    assert arrivals.camera_s.shape == (3, 3)
    reference_s = OFFSETS_S[str(heard.reference)]
    np.testing.assert_allclose(arrivals.time_s + reference_s, CLAPS_S, atol=0.001)
    assert np.abs(arrivals.residual_s).max() < 0.0002

    page = sync_page(findings(take, heard.time_map, heard))
    said = text_of(page)
    assert "All 3 cameras are on one time line." in said
    names = list(OFFSETS_S)
    for name in names:
        if name != heard.reference:
            later_s = OFFSETS_S[name] - reference_s
            side = "after" if later_s > 0 else "before"
            assert re.search(rf"{name} starts {abs(later_s):.2f}\d s {side} {heard.reference}, known to 5\.\d ms", said)
    for clap_s in CLAPS_S:
        assert f"at {clap_s - reference_s:.3f}"[:-1] in said
    assert page.count("<img ") == 2 * 3 * 3  # moments, cameras, frames
    assert page.count('class="arrival"') == 3 * 3 * 2  # sounds, cameras, windows
    assert "How well the sounds agree" in said
    assert "How the clocks drift" in said


def test_a_clock_that_is_off_shows_in_the_residuals(heard: SyncResult) -> None:
    other = next(name for name in OFFSETS_S if name != heard.reference)
    clock = heard.time_map.cameras[other]
    wrong = TimeMap({**heard.time_map.cameras, other: replace(clock, offset_s=clock.offset_s + 0.02)})
    late = arrivals_of(heard, wrong).residual_s[:, list(OFFSETS_S).index(other)]
    np.testing.assert_allclose(late, 0.02, atol=0.0003)


def test_the_drift_is_that_of_the_clock(heard: SyncResult) -> None:
    other = next(name for name in OFFSETS_S if name != heard.reference)
    place = list(OFFSETS_S).index(other)
    clock = heard.time_map.cameras[other]
    steep = TimeMap({**heard.time_map.cameras, other: replace(clock, rate=1.001)})
    drift = drift_of(place, heard, arrivals_of(heard, steep), steep, np.array([0.0, 4.0]))
    assert np.polyfit(drift.line_s, drift.line_away_s, 1)[0] == pytest.approx(0.001, rel=0.01)
    # The sounds themselves say that the clock is right.
    assert abs(np.polyfit(drift.time_s, drift.away_s, 1)[0]) < 2e-4


def test_clocks_without_sound_show_what_there_is(take: Recording) -> None:
    page = sync_page(findings(take, shared_frames(take.videos), None))
    said = text_of(page)
    assert "shutters joined by cable" in said
    assert "Sound by sound" not in said
    assert "The whole sound" in said
    assert page.count("<img ") == 2 * 3 * 3


def test_a_silent_take_and_a_refused_camera(tmp_path: Path) -> None:
    take = film_take(tmp_path / "s", silent=dict.fromkeys(OFFSETS_S, True)).take("dance")[0]
    clocks = {
        "cam1": CameraClock(0.0, 1.0, 0.0, 0.0, "reference", 1.0),
        "cam2": CameraClock(0.4, 1.0, 0.01, 50e-6, "manual", 1.0),
        "cam3": CameraClock(0.0, 1.0, 1e6, 50e-6, "clap", 0.0, f"no sound track. {EVIL}"),
    }
    page = sync_page(findings(take, TimeMap(clocks), None))
    said = text_of(page)
    assert "cam3 has no time; 2 of 3 cameras are on one time line." in said
    assert "cam2 starts 0.400 s after cam1, known to 10 ms: two thirds of a frame." in said
    assert "The whole sound" not in said
    assert page.count("<img ") == 2 * 2 * 3
    assert EVIL not in page
    assert "&lt;img src=x" in page


def test_what_processing_added_is_said(take: Recording, heard: SyncResult) -> None:
    moved = {"cam2": {"motion_s": -0.0006, "std_s": 0.00024}, "cam3": {"motion_s": 0.002, "std_s": 0.0002}}
    found = replace(
        findings(take, heard.time_map, heard), refined={"cameras": moved, "travel_s": {"cam2": -0.00073, "cam3": 0.0}}
    )
    said = text_of(sync_page(found))
    assert (
        "That is by sound alone. Processing has refined the clocks on the motion since: they are known to 0.24 ms."
        in said
    )
    assert "cam2 -0.73 ms -0.60 ms 0.24 ms" in said
    assert "Since the cameras were calibrated" not in text_of(sync_page(findings(take, heard.time_map, heard)))


def test_names_cannot_break_the_page(take: Recording, heard: SyncResult) -> None:
    clean = findings(take, heard.time_map, heard)
    names = dict(zip(OFFSETS_S, (EVIL, "</script>", "cam3"), strict=True))
    times = replace(
        clean.times,
        frame_s={names[n]: v for n, v in clean.times.frame_s.items()},
        session_s={names[n]: v for n, v in clean.times.session_s.items()},
        sound=TimeMap({names[n]: c for n, c in clean.times.sound.cameras.items()}),
    )
    page = sync_page(
        replace(
            clean,
            session=EVIL,
            time_map=TimeMap({names[n]: c for n, c in clean.time_map.cameras.items()}),
            videos={names[n]: path for n, path in take.videos.items()},
            times=times,
        )
    )
    assert EVIL not in page
    assert "<img src=x" not in page
    assert "49" not in re.findall(r"<h1>(.*?)</h1>", page)[0]
    assert "</script>" not in page


@pytest.mark.parametrize(
    ("std_s", "words"),
    [(0.0003, "a hundredth of a frame"), (0.0034, "a tenth of a frame"), (0.0167, "half a frame"),
     (0.0333, "one frame"), (0.1, "3 frames"), (float("nan"), "not known")],
)  # fmt: skip
def test_times_in_frames(std_s: float, words: str) -> None:
    assert shares_of_frame(std_s, 1 / 30) == words


@pytest.mark.parametrize(("time_s", "words"), [(0.00031, "0.31 ms"), (0.0059, "5.9 ms"), (0.0241, "24 ms")])
def test_milliseconds_have_two_digits(time_s: float, words: str) -> None:
    assert milliseconds(time_s) == words


def test_a_camera_in_words() -> None:
    clock = CameraClock(0.738, 1 - 20e-6, 0.0003, 2e-6, "clap", 1.0)
    assert camera_words("cam2", clock, "cam1", 0.738, 0.0003, 1 / 30) == (
        "cam2 starts 0.738 s after cam1, known to 0.30 ms: a hundredth of a frame.",
        "Its clock runs fast, by 1.2 ms in a minute.",
    )


def test_the_grade_follows_the_worst_camera() -> None:
    fine = CameraClock(0.0, 1.0, 0.001, 1e-6, "clap", 1.0)
    both = TimeMap({"a": fine, "b": fine})
    for std_s, grade in ((0.001, "good"), (0.03, "usable"), (0.2, "redo")):
        assert verdict_of(both, {"a": (0.0001, 1 / 30), "b": (std_s, 1 / 30)}).grade == grade
    refused = TimeMap({"a": fine, "b": replace(fine, verdict="no clap")})
    assert verdict_of(refused, {"a": (0.0001, 1 / 30)}).grade == "redo"


@pytest.fixture(name="page", scope="module")
def _page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    browser = find_browser()
    if browser is None:
        pytest.skip(f"no browser to look at the page with: none of {', '.join(BROWSERS)} is installed")
    with browser_page(browser, tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_a_browser_shows_it(
    page: Page, tmp_path: Path, take: Recording, heard: SyncResult, width: int, dark: bool
) -> None:
    file = tmp_path / "sync.html"
    file.write_text(sync_page(findings(take, heard.time_map, heard)), encoding="utf-8")
    page.requests.clear()
    page.open(file, width, 900, dark)
    assert page.run("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert page.run("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    heights = page.run(
        "[...document.querySelectorAll('.track-row svg')].map((svg) => svg.getBoundingClientRect().width)"
    )
    assert sum(width > 100 for width in heights) >= 3 * 2 + 3 * 2 + 3
    assert page.complaints == []
    assert page.requests == [file.as_uri()]
