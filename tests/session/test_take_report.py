"""The page of a take: its numbers, what it carries, and that no text of the user's can break it."""

from __future__ import annotations

import base64
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from take_scene import FRAMES, JUMP, JUMP_M, NAMES, SIGMA_M, Reader, cameras, judged, soles, take, walk

from session.report.take_charts import (
    GUESSED_COLOUR,
    MISSING_COLOUR,
    limb_maps,
    line_over_time,
    sigma_bands,
    view_bands,
)
from session.report.take_feet import feet_of
from session.report.take_findings import Person, Source, TakeFindings
from session.report.take_motion import MOST_FRAMES, take_motion
from session.report.take_numbers import (
    bones_of,
    find_jumps,
    joints_of,
    mended_jumps,
)
from session.report.take_page import take_page

EVIL = "</script><img src=x onerror=alert(1)>\"&' {{ 7 * 7 }}"


@pytest.fixture(name="findings", scope="module")
def _findings() -> TakeFindings:
    return take()


def test_each_joint_tells_what_was_put_into_it(findings: TakeFindings) -> None:
    joints = {joint.name: joint for joint in joints_of(findings)}
    assert next(iter(joints)) == "nose"
    assert {joint.limb for joint in joints.values()} == {"head", "left arm", "right arm", "left leg", "right leg"}
    knee = joints["left_knee"]
    assert knee.median_m == knee.most_m == SIGMA_M
    assert knee.guessed == knee.missing == 0
    assert knee.views == pytest.approx(4 - 60 / FRAMES - 24 / FRAMES)
    assert joints["left_wrist"].guessed == 80 / FRAMES
    assert joints["left_wrist"].median_m == SIGMA_M
    assert joints["left_wrist"].most_m == 0.08
    assert joints["right_thumb"].missing == pytest.approx(10 / FRAMES)
    # The root goes round a circle of 0.7 m in 8 s: 0.55 m/s.
    assert joints["left_hip"].fastest_m_per_s == pytest.approx(2 * np.pi * 0.7 / 8, rel=0.15)


def test_the_jump_is_found_and_nothing_else(findings: TakeFindings) -> None:
    off_m = find_jumps(findings.keypoints)
    elbow = findings.keypoints.names.index("right_elbow")
    assert np.argwhere(off_m > 0).tolist() == [[JUMP, elbow]]
    assert off_m[JUMP, elbow] == pytest.approx(JUMP_M, abs=0.002)
    assert not find_jumps(take(faults=False).keypoints).any()


def test_a_step_aside_is_marked_where_it_happens() -> None:
    still = take(faults=False)
    xyz_m = still.keypoints.xyz_m.copy()
    xyz_m[80:, 3] += [0.4, 0, 0]
    marked = np.argwhere(find_jumps(replace(still.keypoints, xyz_m=xyz_m)) > 0)
    assert marked[:, 1].tolist() == [3] * len(marked)
    assert set(marked[:, 0]) <= {79, 80}
    assert len(marked)


def test_what_is_within_its_own_deviation_is_no_jump(findings: TakeFindings) -> None:
    vague = replace(findings.keypoints, sigma_m=np.full_like(findings.keypoints.sigma_m, JUMP_M / 2))
    assert not find_jumps(vague).any()


def test_jumps_that_clean_up_has_mended_are_told_apart(findings: TakeFindings) -> None:
    names = findings.keypoints.names
    xyz_m = findings.keypoints.xyz_m.copy()
    xyz_m[180, names.index("nose")] += [0.2, 0.0, 0.0]
    xyz_m[JUMP, names.index("right_elbow")] += [0.02, 0.0, 0.0]  # was worse, and is still there
    cleaned = {"spikes": 1, "filled": 80, "open": 10, "of": 7920, "filter": "none"}
    told = replace(
        findings,
        measured=replace(findings.keypoints, xyz_m=xyz_m),
        reports={**findings.reports, "clean up": cleaned},
    )
    mended_m = mended_jumps(told)
    assert np.argwhere(mended_m > 0).tolist() == [[180, names.index("nose")]]
    page = Reader(take_page(told))
    assert "Clean-up took out 1 spike and filled 80 of 7,920 places over short gaps." in page.text
    assert "2 as measured, 1 of them left after clean-up" in page.text
    assert "right elbow1.67 s300 mmstill there" in page.text
    assert "nose3.00 s200 mmmended" in page.text
    carried = take_motion(told, joints_of(told))
    assert carried["mended"] == [[180, names.index("nose")]]
    assert carried["jumps"] == [[JUMP, names.index("right_elbow")]]
    assert judged(told) == judged(findings)  # what is mended does no harm


def pixels(uri: str) -> np.ndarray:
    """Return a picture of a page as colours "#rrggbb", a row a point and a column a moment."""
    data = np.frombuffer(base64.b64decode(uri.split(",")[1]), np.uint8)
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return np.array([[f"#{r:02x}{g:02x}{b:02x}" for b, g, r in row] for row in bgr.tolist()])


def test_the_maps_show_what_is_sure_and_what_is_not(findings: TakeFindings) -> None:
    maps = {drawn.limb: drawn for drawn in limb_maps(findings, joints_of(findings))}
    arm = maps["left arm"]
    row = [joint.name for joint in arm.joints].index("left_wrist")
    sure = pixels(arm.sigma)
    assert sure.shape == (len(arm.joints), FRAMES)
    np.testing.assert_array_equal(
        sure[row] == GUESSED_COLOUR, (np.arange(FRAMES) // 10 >= 3) & (np.arange(FRAMES) < 110)
    )
    words = {band.colour: band.words for band in sigma_bands()}
    assert "guessed: fewer than 2 cameras see it" in words.values()
    assert "guessed: the camera does not see it" in [band.words for band in sigma_bands(one_view=True)]
    assert [band.words for band in view_bands(1)] == ["not seen", "seen"]
    assert words[sure[row, 0]] == "to 10"  # 6 mm
    right = maps["right arm"]
    thumb = pixels(right.sigma)[[joint.name for joint in right.joints].index("right_thumb")]
    assert set(np.flatnonzero(thumb == MISSING_COLOUR)) == set(range(200, 210))
    seen = {band.colour: band.words for band in view_bands(4)}
    assert [seen[colour] for colour in pixels(arm.views)[row, [0, 40, 130]]] == ["3", "1", "4"]


def test_a_long_map_shows_the_worst_of_each_column() -> None:
    long = take(2100, faults=False)
    filled = long.keypoints.filled.copy()
    filled[1001, 0] = True
    (head, *_) = limb_maps(replace(long, keypoints=replace(long.keypoints, filled=filled)), joints_of(long))
    assert np.flatnonzero(pixels(head.sigma)[0] == GUESSED_COLOUR).tolist() == [1001 // 3]


def test_bones_of_a_body_that_does_not_stretch(findings: TakeFindings) -> None:
    bones = {bone.name: bone for bone in bones_of(findings.keypoints, findings.motion)}
    assert list(bones) == ["upper arm", "forearm", "thigh", "shin"]
    for bone in bones.values():
        np.testing.assert_allclose(bone.before_m, bone.after_m, atol=1e-6)
    assert bones["thigh"].spread == pytest.approx((0, 0), abs=1e-9)
    assert bones["upper arm"].spread[1] > 0.01  # the elbow jumps
    assert np.abs(bones["upper arm"].off[1]).argmax() == JUMP


def test_feet_slide_as_far_as_they_go(findings: TakeFindings) -> None:
    assert feet_of(findings).contacts == ()
    stands = np.zeros(FRAMES, dtype=bool)
    stands[20:40] = stands[100:101] = True
    feet = feet_of(replace(findings, soles=soles(findings.motion, left_foot=stands)))
    (contact,) = feet.contacts
    assert contact.stands == 2
    assert contact.share == 21 / FRAMES
    motion = findings.motion
    path_m = motion.world_positions()[20:40, motion.joint_names.index("left_foot"), :2]
    assert contact.worst_m == pytest.approx(np.linalg.norm(path_m - path_m.mean(axis=0), axis=1).max())
    page = Reader(take_page(replace(findings, soles=soles(findings.motion, left_foot=stands))))
    assert f"left foot2{100 * 21 / FRAMES:.1f} %" in page.text
    carried = take_motion(replace(findings, soles=soles(motion, left_foot=stands)), joints_of(findings))["bones"][
        "soles"
    ]
    xyz = np.frombuffer(base64.b64decode(carried[0]["xyz"]), "<i2").reshape(FRAMES, 3)
    np.testing.assert_array_equal(xyz[:, 0] != -32768, stands)
    at = np.array(carried[0]["origin"]) + carried[0]["step_m"] * xyz[20:40]
    np.testing.assert_allclose(at[:, :2], path_m, atol=1e-4)


def test_lines_break_where_there_is_nothing() -> None:
    assert line_over_time(np.array([0.0, 1.0, np.nan, 0.5]), 0, 1) == "M125.0 100.0L375.0 0.0M875.0 50.0h1"


def test_a_browser_gets_the_movement_to_a_tenth_of_a_millimetre(findings: TakeFindings) -> None:
    carried = json.loads(json.dumps(take_motion(findings, joints_of(findings))))
    assert carried["stride"] == 1
    xyz = np.frombuffer(base64.b64decode(carried["xyz"]), "<i2").reshape(FRAMES, 33, 3).astype(float)
    lost = (xyz == -32768).any(axis=-1)
    np.testing.assert_array_equal(lost, np.isnan(findings.keypoints.xyz_m[..., 0]))
    xyz_m = np.array(carried["origin"]) + carried["step_m"] * xyz
    np.testing.assert_allclose(xyz_m[~lost], findings.keypoints.xyz_m[~lost], atol=0.6e-4)
    codes = np.frombuffer(base64.b64decode(carried["sigma"]), np.uint8).reshape(FRAMES, 33)
    np.testing.assert_allclose(0.0005 * np.exp(codes[~lost] / 32), findings.keypoints.sigma_m[~lost], rtol=0.02)
    status = np.frombuffer(base64.b64decode(carried["status"]), np.uint8).reshape(FRAMES, 33)
    np.testing.assert_array_equal(status & 3 == 2, findings.guessed)
    np.testing.assert_array_equal(status >> 2, findings.views)
    bones = carried["bones"]
    at = np.frombuffer(base64.b64decode(bones["xyz"]), "<i2").reshape(FRAMES, -1, 3)
    motion = findings.motion
    np.testing.assert_allclose(np.array(bones["origin"]) + bones["step_m"] * at, motion.world_positions(), atol=0.6e-4)
    assert carried["jumps"] == [[JUMP, findings.keypoints.names.index("right_elbow")]]


def test_a_limb_that_nobody_sees_is_marked_as_guessed() -> None:
    fine = take(faults=False)
    filled = fine.keypoints.filled.copy()
    arm = [fine.keypoints.names.index(f"left_{part}") for part in ("wrist", "pinky", "index", "thumb")]
    filled[50:70, arm] = True
    unseen = replace(fine, keypoints=replace(fine.keypoints, filled=filled))
    bones = take_motion(unseen, joints_of(unseen))["bones"]
    status = np.frombuffer(base64.b64decode(bones["status"]), np.uint8).reshape(FRAMES, -1)
    hand, end, elbow = (bones["names"].index(name) for name in ("left_hand", "left_hand_end", "left_forearm"))
    assert np.flatnonzero(status[:, hand] == 2).tolist() == list(range(50, 70))
    np.testing.assert_array_equal(status[:, end], status[:, hand])
    assert not status[:, elbow].any()


def test_what_the_fit_says_of_its_joints_goes_before_the_points() -> None:
    fine = take(faults=False)
    motion = fine.motion
    assert motion is not None
    shape = (FRAMES, len(motion.joint_names))
    sigma_m, inferred = np.full(shape, 0.008), np.zeros(shape, dtype=bool)
    shin, hand = motion.joint_names.index("left_shin"), motion.joint_names.index("right_hand")
    sigma_m[10:20, shin] = 0.05
    inferred[30:60, hand] = True
    told = replace(fine, motion=replace(motion, sigma_m=sigma_m, inferred=inferred))
    bones = take_motion(told, joints_of(told))["bones"]
    status = np.frombuffer(base64.b64decode(bones["status"]), np.uint8).reshape(shape)
    assert np.argwhere(status == 1).tolist() == [[frame, shin] for frame in range(10, 20)]
    assert np.argwhere(status == 2).tolist() == [[frame, hand] for frame in range(30, 60)]
    page = Reader(take_page(told))
    assert f"right hand8.0 mm8.0 mm{100 * 30 / FRAMES:.0f} %" in page.text
    assert "The joints of the fitted body" not in Reader(take_page(fine)).text


def test_the_page_says_it(findings: TakeFindings) -> None:
    page = Reader(take_page(findings))
    for words in (
        "USABLE WITH CARE".lower(),
        "The left arm is known to 80 mm only in its worst moments and was hidden for 6 % of the take.",
        "3.4 % to 0",
        "right elbow1.67 s300 mm",
        "Good to about 0.1 mm.",
        "clapcap process studio --take dance",
        "a&b.mp4 </td>",
    ):
        assert words in page.text
    assert {"../calibration/report.html", "sync.html"} <= set(page.addresses)


def test_people_are_linked(findings: TakeFindings) -> None:
    people = (Person("Person 1", "report.html", True), Person("Person 2", "person2/report.html", False))
    page = Reader(take_page(replace(findings, people=people)))
    assert "person2/report.html" in page.addresses
    assert "report.html" not in page.addresses
    assert "Take dance, person 1" in page.text
    assert "person2/report.html" not in Reader(take_page(findings)).addresses


def test_nothing_is_asked_of_any_host(findings: TakeFindings) -> None:
    page = take_page(findings)
    ours = {"../calibration/report.html", "sync.html"}
    addresses = [address for address in Reader(page).addresses if address not in ours]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    style = "".join(re.findall(r"<style>(.*?)</style>", page, re.DOTALL))
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in page


def test_what_the_user_named_is_shown_and_never_run(findings: TakeFindings) -> None:
    names = (EVIL, *NAMES[1:])
    named = replace(
        findings,
        session=EVIL,
        take=EVIL,
        command=EVIL,
        keypoints=replace(findings.keypoints, camera_names=names),
        observations=replace(findings.observations, camera_names=names),
        cameras=cameras(names),
        sources=(Source(EVIL, "good", (EVIL,), ""),),
        settings=[(EVIL, EVIL)],
        people=(Person(EVIL, "x.html", True),),
    )
    page = take_page(named)
    found = Reader(page)
    assert f"Take {' '.join(EVIL.split())}" in found.text
    assert "{{ 7 * 7 }}" in found.text
    assert not [tag for tag, attrs in found.tags if tag == "img" and attrs.get("src") == "x"]
    assert not [tag for tag, attrs in found.tags if any(key.startswith("on") for key in attrs)]
    for block in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL):
        json.loads(block)
    assert page.count("<script") == 4  # the scene, the movement, and the two scripts


def test_a_minute_at_sixty_frames_a_second_is_small() -> None:
    minute = take(3600)
    page = take_page(minute)
    assert f'"frames": {MOST_FRAMES}' in page  # all of them are carried
    assert len(page.encode()) <= 5_000_000


def test_a_minute_with_three_other_people_is_small() -> None:
    minute = take(3600)
    assert minute.motion is not None
    others = {f"Person {number}": minute.motion for number in (2, 3, 4, 5)}
    page = take_page(replace(minute, others=others))
    assert len(page.encode()) <= 5_000_000


def test_a_longer_take_carries_every_second_frame() -> None:
    long = take(3700)
    page = take_page(long)
    assert '"frames": 1850' in page
    assert "every 2. frame is played" in Reader(page).text
    assert len(page.encode()) <= 5_000_000
    assert f'"jumps": [[{JUMP // 2}, ' in page


def test_points_alone_make_a_page_too(findings: TakeFindings) -> None:
    page = take_page(replace(findings, motion=None, landmarks={}, reports={}))
    assert '"bones": null' in page
    assert 'data-layer="points"' in page


def test_a_take_without_anybody_is_no_trouble() -> None:
    fine = take(3, faults=False)
    empty = replace(
        fine,
        keypoints=replace(
            fine.keypoints,
            xyz_m=np.full_like(fine.keypoints.xyz_m, np.nan),
            sigma_m=np.full_like(fine.keypoints.sigma_m, np.nan),
            reprojection_px=np.full_like(fine.keypoints.reprojection_px, np.nan),
        ),
        observations=replace(
            fine.observations,
            xy_px=np.full_like(fine.observations.xy_px, np.nan),
            sigma_px=np.full_like(fine.observations.sigma_px, np.inf),
        ),
        motion=None,
    )
    found = Reader(take_page(empty))
    assert "not usable" in found.text
    assert "Two cameras or more see the body in 0 % of the take only." in found.text


def test_frames_that_do_not_match_are_refused(findings: TakeFindings) -> None:
    with pytest.raises(ValueError, match="keypoints have 240 frames, observations 100"):
        replace(findings, observations=take(100, faults=False).observations)
    assert len(walk(10).time_s) == 10
