"""A take of two people as a session: who is found and kept, and where their results go."""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks.crowds import score
from benchmarks.people import load_small, true_figures
from benchmarks.people_scene import CAMERAS, LATE_S
from calib.formats.anipose_toml import save_anipose_toml
from clapcap.errors import SessionError
from retarget.bvh import read_bvh
from session.folder import Session
from session.processing.people import find_take_people, set_aside_others
from session.processing.points import load_main_views, load_views, triangulate_take
from session.settings import BoardSettings, new_settings_text, update_settings
from session.stages import Stages
from session.take import process_person, remember_process
from session.take_clocks import people_file
from session.terminal import Terminal
from skeleton.formats.npz import load_keypoints3d, load_motion, save_keypoints2d
from sync.time_map import CameraClock, TimeMap

DETECTIONS = Path(__file__).parents[1] / "triangulate" / "people" / "crossing.npz"
TIME_MAP = TimeMap({name: CameraClock(late_s, 1.0, 0.0, 0.0, "frames", 1.0) for name, late_s in LATE_S.items()})


class Studio:
    """A session whose take has been detected: `run` tells its people apart, `said` is what stands on the screen."""

    def __init__(self, root, views):
        self.root = root
        (root / "takes" / "walk").mkdir(parents=True)
        (root / "session.toml").write_text(new_settings_text(BoardSettings()))
        (root / "results" / "calibration").mkdir(parents=True)
        save_anipose_toml(root / "results" / "calibration" / "cameras.toml", CAMERAS, {})
        folder = root / "results" / "walk" / "keypoints2d"
        folder.mkdir(parents=True)
        for name, view in views.items():
            (root / "takes" / "walk" / f"{name}.mp4").write_bytes(b"")
            # A camera's own clock starts with its first picture.
            save_keypoints2d(folder / f"{name}.npz", replace(view, time_s=view.time_s - LATE_S[name]))

    def run(self):
        session = Session.open(self.root)
        screen = io.StringIO()
        self.terminal = Terminal(Console(file=screen, width=300))
        take = session.take("walk")[0]
        people = find_take_people(session, take, TIME_MAP, Stages(session, take, self.terminal))
        self.said = screen.getvalue()
        return session, take, people

    def keep(self, person):
        update_settings(self.root / "session.toml", {("process", "person"): person})


@pytest.fixture(scope="module")
def detections():
    return load_small(DETECTIONS)


@pytest.fixture(scope="module")
def told(tmp_path_factory, detections):
    studio = Studio(tmp_path_factory.mktemp("people") / "session", detections)
    studio.run()
    return studio


@pytest.fixture
def studio(told, tmp_path):
    """A copy of the session in which people have been told apart."""
    root = tmp_path / "session"
    shutil.copytree(told.root, root)
    copy = object.__new__(Studio)
    copy.root = root
    return copy


def test_everybody_is_kept_and_said(told, detections):
    _, take, people = told.run()
    assert [person.name for person in people] == ["walk", "walk-person2"]
    assert [person.results for person in people] == [take.results, take.results / "person2"]
    assert all(person.root.resolve() == told.root.resolve() for person in people)
    assert "person 1 (kept): 0.0 to 4.0 s" in told.said
    assert "person 2 (kept)" in told.said
    assert people_file(take).exists()


def test_each_persons_views_are_theirs(told, detections):
    _, _, people = told.run()
    who = true_figures(detections)
    for place, person in enumerate(people):
        views = load_views(person, TIME_MAP, 30.0)
        assert len({len(view.time_s) for view in views.values()}) == 1
        shown = [np.isfinite(view.xy_px).any(axis=(1, 2)).mean() for view in views.values()]
        assert min(shown) >= (0.9 if place == 0 else 0.4)
    # Taken as the detector shows them, the views would be of both by turns.
    slots = {name: np.zeros((len(view.time_s), 1), dtype=int) for name, view in detections.items()}
    assert score(who, slots, 2).wrong > 0.1


def test_the_results_of_the_second_go_to_a_folder_of_their_own(studio):
    session, take, people = studio.run()
    second = people[1]
    triangulate_take(session, second, TIME_MAP, Stages(session, second, studio.terminal))
    assert not (take.results / "keypoints3d_raw.npz").exists()
    points = load_keypoints3d(take.results / "person2" / "keypoints3d_raw.npz")
    # The green one walks towards -x, 0.35 m behind the middle.
    hip = points.xyz_m[:, points.index("left_hip")]
    known = np.isfinite(hip).all(axis=-1)
    assert known.mean() >= 0.9
    assert hip[known][-1, 0] < -1.0 < 1.0 < hip[known][0, 0]
    assert np.median(hip[known, 1]) == pytest.approx(0.35, abs=0.2)


def test_each_has_bones_and_files_of_their_own(studio):
    session, take, people = studio.run()
    shins_m: list[float] = []
    for person in people:
        process_person(session, person, TIME_MAP, Stages(session, person, studio.terminal))
        motion = load_motion(person.results / "motion.npz")
        shins_m.append(float(np.linalg.norm(motion.rest_offset_m[motion.joint_names.index("left_foot")])))
        assert len(read_bvh(person.results / f"{person.name}.bvh").time_s) == len(motion.time_s)
    # The green one is a tenth taller.
    assert shins_m[1] / shins_m[0] == pytest.approx(1.10, abs=0.05)
    assert (take.results / "person2" / "walk-person2.trc").exists()
    assert not (take.results / "walk-person2.bvh").exists()


def test_somebody_who_passes_by_is_named_and_not_kept(tmp_path, detections):
    who = true_figures(detections)
    brief = {}
    for name, view in detections.items():
        assert view.others_xy_px is not None
        gone = (who[name] == 1) & (view.time_s > 0.8)[:, None]
        figures = np.concatenate([view.xy_px[:, None], view.others_xy_px], axis=1)
        sure = np.concatenate([view.confidence[:, None], view.others_confidence], axis=1)
        figures[gone], sure[gone] = np.nan, 0.0
        brief[name] = replace(
            view, xy_px=figures[:, 0], confidence=sure[:, 0], others_xy_px=figures[:, 1:], others_confidence=sure[:, 1:]
        )
    studio = Studio(tmp_path / "session", brief)
    _, take, people = studio.run()
    assert [(person.person, person.results) for person in people] == [(1, take.results)]
    assert "person 2 (not kept): 0.0 to" in studio.said
    studio.keep("2")
    assert [person.person for person in studio.run()[2]] == [2]


def test_main_alone_or_one_by_number(studio):
    studio.keep("main")
    _, take, people = studio.run()
    assert [(person.person, person.results) for person in people] == [(1, take.results)]
    assert "person 2 (not kept)" in studio.said
    studio.keep("2")
    _, take, people = studio.run()
    # Who is chosen has the take's own names.
    assert [(person.person, person.name, person.results) for person in people] == [(2, "walk", take.results)]


def test_somebody_who_was_not_found_cannot_be_kept(studio):
    studio.keep("3")
    with pytest.raises(SessionError, match="person 3 is to be kept, but persons 1, 2 were found"):
        studio.run()


def test_the_choice_is_remembered_and_refused_if_it_is_none(studio):
    session = remember_process(Session.open(studio.root), None, None, "main")
    assert session.settings.process.person == "main"
    assert 'person = "main"' in (studio.root / "session.toml").read_text()
    with pytest.raises(SessionError, match='--person "both" is unknown: needed "all", "main", or a number'):
        remember_process(session, None, None, "both")


def test_people_are_told_apart_once(studio):
    studio.run()
    assert "walk: people  unchanged, kept" in studio.said


def test_one_person_leaves_no_trace(tmp_path, detections):
    alone = {name: replace(view, others_xy_px=None, others_confidence=None) for name, view in detections.items()}
    studio = Studio(tmp_path / "session", alone)
    before = sorted(path for path in studio.root.rglob("*") if path.is_file())
    _, take, people = studio.run()
    assert people == [take]
    assert studio.said == ""
    assert sorted(path for path in studio.root.rglob("*") if path.is_file()) == before


def test_the_only_person_may_be_asked_for_but_no_second(tmp_path, detections):
    alone = {name: replace(view, others_xy_px=None, others_confidence=None) for name, view in detections.items()}
    studio = Studio(tmp_path / "session", alone)
    studio.keep("1")
    _, take, people = studio.run()
    assert people == [take]
    studio.keep("2")
    with pytest.raises(SessionError, match="person 2 is to be kept, but only person 1 was found"):
        studio.run()


def test_results_of_somebody_who_is_not_kept_any_more_are_set_aside(studio):
    old = studio.root / "results" / "walk" / "person2"
    old.mkdir()
    (old / "walk-person2.bvh").write_text("mine")
    studio.keep("main")
    _, take, people = studio.run()
    set_aside_others(take, people, studio.terminal)
    assert not old.exists()
    assert (take.results / "earlier-person2-1" / "walk-person2.bvh").read_text() == "mine"


def test_the_floors_feet_are_the_main_persons(told, detections):
    _, take, people = told.run()
    views = load_main_views(take, TIME_MAP, 30.0, told.root / "results" / "calibration" / "cameras.toml")
    kept = load_views(people[0], TIME_MAP, 30.0)
    for name, view in views.items():
        np.testing.assert_array_equal(view.xy_px, kept[name].xy_px)


@pytest.mark.parametrize(
    ("key", "value", "needed"), [("people", 9, "1 to 8"), ("person", "both", '"all", "main" or a')]
)
def test_settings_out_of_range_are_refused(studio, key, value, needed):
    with pytest.raises(SessionError, match=rf"`process.{key}` is .*needed {needed}"):
        update_settings(studio.root / "session.toml", {("process", key): value})
