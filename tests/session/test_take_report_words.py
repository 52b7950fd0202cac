"""The words of a take's page: the verdict and its reasons, limb by limb, camera by camera."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from take_scene import FRAMES, OUT, SIGMA_M, SWAPPED, Reader, judged, take

from session.report.take_cameras import camera_cards
from session.report.take_findings import Source, TakeFindings
from session.report.take_numbers import (
    limb_of,
    spans_in_words,
    spans_of,
)
from session.report.take_page import take_page
from session.report.take_words import TakeVerdict, floor_in_words, people_in_words


@pytest.fixture(name="findings", scope="module")
def _findings() -> TakeFindings:
    return take()


def test_cameras_tell_when_they_were_used(findings: TakeFindings) -> None:
    cards, reach_px = camera_cards(findings)
    by_name = {card.name: card for card in cards}
    assert [card.grade for card in cards] == ["good", "usable", "good", "good"]
    assert by_name["cam2"].out == (OUT.stop - OUT.start) / FRAMES
    assert "Left out from 1.00 to 1.98 s, because what it shows contradicts the other cameras." in by_name["cam2"].words
    assert ("out", 1000 * OUT.start / FRAMES, 1000 * 60 / FRAMES) in by_name["cam2"].strip
    assert "It has no picture of the person in 10 % of the take." in by_name["cam3"].words
    assert by_name["cam4"].swapped == len(SWAPPED)
    assert "Left and right were exchanged in 6 frames (2.50 to 2.58 s), and put right." in by_name["cam4"].words
    assert by_name["cam1"].median_px == pytest.approx(1.5, rel=0.05)
    assert by_name["cam1"].most_px < reach_px
    # The curve is interrupted where the camera was left out.
    assert by_name["cam1"].line.count("M") == 1
    assert by_name["cam2"].line.count("M") == 2


def test_a_camera_that_fits_nothing_is_named() -> None:
    fine = take(faults=False)
    error_px = fine.keypoints.reprojection_px.copy()
    error_px[2] += 60
    moved = replace(fine, keypoints=replace(fine.keypoints, reprojection_px=error_px))
    verdict = judged(moved)
    assert camera_cards(moved)[0][2].grade == "redo"
    assert "cam3 does not fit the other cameras." in verdict.sentences
    assert any("cam3 was moved since the calibration (clapcap check studio)" in step for step in verdict.next_steps)
    never = np.full_like(fine.observations.sigma_px, 2.0)
    never[2] = np.inf
    unused = replace(fine, observations=replace(fine.observations, sigma_px=never))
    assert camera_cards(unused)[0][2].words == ("nothing of what it saw could be used.",)


def test_the_verdict_follows_the_limbs() -> None:
    fine = take(faults=False)
    good = judged(fine)
    assert good.grade == "good"
    assert good.headline == "The whole body is there; half of the time its points are known to 6.0 mm or better."
    assert good.sentences == ()
    assert good.next_steps == (
        "Nothing needs to be done: the files beside this page are ready for Blender and for a gait lab.",
    )
    left_arm = [place for place, name in enumerate(fine.keypoints.names) if limb_of(name) == "left arm"]

    def spoiled(sigma_m: float, guessed: int) -> TakeVerdict:
        own_m, filled = fine.keypoints.sigma_m.copy(), fine.keypoints.filled.copy()
        own_m[:, left_arm] = sigma_m
        filled[:guessed, left_arm] = True
        return judged(replace(fine, keypoints=replace(fine.keypoints, sigma_m=own_m, filled=filled)))

    vague = spoiled(0.03, 0)
    assert vague.grade == "usable"
    assert vague.headline.startswith("The left arm needs a second look")
    assert "The left arm is known to 30 mm only." in vague.sentences
    assert any(step.startswith("To know the left arm better") for step in vague.next_steps)
    hidden = spoiled(SIGMA_M, FRAMES // 2)
    assert hidden.headline == "The left arm is not to be trusted in this take."
    assert "The left arm was hidden for 50 % of the take, once for 2.0 s." in hidden.sentences
    assert any("place a camera so that it sees the left arm" in step for step in hidden.next_steps)
    nothing = judged(replace(fine, keypoints=replace(fine.keypoints, filled=np.ones_like(fine.keypoints.filled))))
    assert nothing.grade == "redo"
    assert nothing.headline == "Two cameras or more see the body in 0 % of the take only."


def test_a_bad_calibration_spoils_the_best_take() -> None:
    doubt = Source("Calibration", "redo", ("The board was seen in three views.",), "")
    verdict = judged(take(faults=False, sources=(doubt,)))
    assert verdict.grade == "usable"
    assert "The calibration is in doubt: The board was seen in three views." in verdict.sentences
    assert verdict.next_steps[0] == "Mend the calibration first; its page says how."


@pytest.mark.parametrize(
    ("name", "limb"),
    [("left_index", "left arm"), ("right_foot_index", "right leg"), ("mouth_left", "head"), ("left_hip", "left leg"),
     ("thorax", "trunk"), ("right_eye_inner", "head"), ("left_clavicle", "left arm"), ("right_toe_end", "right leg"),
     ("hips", "trunk"), ("neck_nose", "head"), ("left_forearm", "left arm")],
)  # fmt: skip
def test_limbs_by_name(name: str, limb: str) -> None:
    assert limb_of(name) == limb


def test_stretches_in_words() -> None:
    mask = np.array([1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 1], dtype=bool)
    assert spans_of(mask) == [(0, 0), (2, 3), (5, 7), (9, 10)]
    time_s = np.arange(11) / 10
    assert spans_in_words(spans_of(mask), time_s) == "0.20 to 0.30 s, 0.50 to 0.70 s, 0.90 to 1.00 s and one more"
    assert spans_in_words([(4, 4)], time_s) == "0.40 s"


def test_the_findings_of_the_triangulation_replace_our_own_guesses() -> None:
    found = [
        ("cam2", "somebody else", "cam2 follows somebody else from 1.0 to 2.0 s; not used there"),
        ("cam3", "pose off", "cam3's pose is off: as if it was moved by about 8 cm. Calibrate again"),
        ("", "two cameras", "with two cameras nobody can tell which of them is wrong"),
    ]
    keys = ("camera", "kind", "text")
    made = take()
    plain = {**made.reports["triangulate"], "findings": [dict(zip(keys, one, strict=True)) for one in found]}

    told = replace(made, reports={**made.reports, "triangulate": plain})
    cards = camera_cards(told)[0]
    assert [card.grade for card in cards] == ["good", "usable", "usable", "good"]
    words = " ".join(cards[1].words)
    assert "cam2 follows somebody else from 1.0 to 2.0 s; not used there." in words
    assert "contradicts the other cameras" not in words
    verdict = judged(told)
    assert "cam3's pose is off: as if it was moved by about 8 cm. Calibrate again." in verdict.sentences
    assert "Keep other people out of the picture of cam2." in verdict.next_steps
    assert "Calibrate again before the next take: cam3 did not stand where the calibration says." in verdict.next_steps
    only = replace(take(faults=False), reports={"triangulate": {"findings": plain["findings"][1:2]}})
    assert judged(only).grade == "usable"
    assert judged(only).headline == "The points fit each other to 6.0 mm, but what they rest on is in doubt."
    aside = replace(take(faults=False), reports={"triangulate": {"findings": plain["findings"][:1]}})
    assert judged(aside).grade == "good"
    assert "With two cameras nobody can tell which of them is wrong." in Reader(take_page(told)).text


@pytest.mark.parametrize(
    ("fit", "said"),
    [
        ({}, []),
        ({"floor_m": None, "floor_from": "nothing"}, ["The fit found no floor under the feet, so they are not held."]),
        (
            {"floor_m": 0.0, "floor_from": "calibration", "skating_mm": 3.14, "sinking_mm": 0.5},
            ["The fitted feet are held on the floor of the calibration: what stands strays from its place by 3.1 mm at "
             "most, and nothing goes deeper than 0.50 mm."],
        ),
        (
            {"floor_m": 0.0213, "floor_from": "feet", "skating_mm": 4.0, "sinking_mm": 0.0},
            ["The fitted feet are held on a floor that they tell themselves, at a height of +21 mm: what stands strays "
             "from its place by 4.0 mm at most, and nothing goes deeper than 0.00 mm."],
        ),
    ],
)  # fmt: skip
def test_the_floor_in_words(findings: TakeFindings, fit: dict[str, object], said: list[str]) -> None:
    assert floor_in_words(fit) == said
    text = Reader(take_page(replace(findings, reports={**findings.reports, "fit": fit}))).text
    assert all(sentence in text for sentence in said)


def test_who_was_found_is_said() -> None:
    report = {
        "persons": [{"number": 1, "from_s": 0.0, "to_s": 9.04}, {"number": 2, "from_s": 2.5, "to_s": 8.0}],
        "appearances": [{"camera": "cam3", "from_s": 1.0, "to_s": 2.0, "share": 0.1}],
    }
    assert people_in_words(report) == [
        "2 people were found: person 1 from 0.0 to 9.0 s and person 2 from 2.5 to 8.0 s.",
        "From 1.0 to 2.0 s cam3 sees a figure that no other camera agrees on: a poster, a mirror image, or somebody "
        "whom it alone can see. It was not used.",
    ]
    assert people_in_words({"persons": report["persons"][:1]}) == people_in_words({}) == []
