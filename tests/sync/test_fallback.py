"""What one method refuses, the next one gives."""

from sync.fallback import completed
from sync.time_map import CameraClock, TimeMap


def known(offset_s, method):
    return CameraClock(offset_s, 1.0, 0.001, 0.0, method, 1.0)


def refused(method, why):
    return CameraClock(0.0, 1.0, 1e6, 0.0, method, 0.0, f"{why}. Give its offset by hand: --offset cam3=SECONDS")


def test_the_silent_camera_takes_its_clock_from_the_motion():
    sound = TimeMap({"cam1": known(0.0, "reference"), "cam2": known(0.5, "clap"), "cam3": refused("clap", "no sound")})
    # Motion has another camera as its zero: cam2.
    motion = TimeMap({"cam1": known(-0.5, "motion"), "cam2": known(0.0, "reference"), "cam3": known(0.25, "motion")})
    clocks = completed(sound, motion).cameras
    assert clocks["cam1"] == sound.cameras["cam1"]
    assert clocks["cam2"] == sound.cameras["cam2"]
    assert clocks["cam3"].offset_s == 0.75
    assert clocks["cam3"].method == "motion"


def test_where_nothing_was_heard_the_motion_stands_for_all():
    sound = TimeMap({name: refused("clap", "no sound") for name in ("cam1", "cam2", "cam3")})
    motion = TimeMap(
        {"cam1": known(0.0, "reference"), "cam2": known(0.5, "motion"), "cam3": refused("motion", "nobody is seen")}
    )
    clocks = completed(sound, motion).cameras
    assert [clock.method for clock in clocks.values()] == ["reference", "motion", "motion"]
    assert clocks["cam3"].verdict == (
        "by clap: no sound; by motion: nobody is seen. Give its offset by hand: --offset cam3=SECONDS"
    )


def test_what_no_method_knows_has_all_reasons_and_one_remedy():
    sound = TimeMap({name: refused("clap", "no sound") for name in ("cam1", "cam3")})
    motion = TimeMap({name: refused("motion", "too little motion") for name in ("cam1", "cam3")})
    light = TimeMap({name: refused("flash", "no flash") for name in ("cam1", "cam3")})
    verdict = completed(completed(sound, motion), light).refused["cam3"]
    assert verdict == (
        "by clap: no sound; by motion: too little motion; by flash: no flash. Give its offset by hand: "
        "--offset cam3=SECONDS"
    )


def test_two_groups_that_share_no_camera_stay_apart():
    sound = TimeMap(
        {
            "cam1": known(0.0, "reference"),
            "cam2": known(0.5, "clap"),
            "cam3": refused("clap", "no sound"),
            "cam4": refused("clap", "no sound"),
        }
    )
    motion = TimeMap(
        {
            "cam1": refused("motion", "nobody is seen"),
            "cam2": refused("motion", "nobody is seen"),
            "cam3": known(0.0, "reference"),
            "cam4": known(0.1, "motion"),
        }
    )
    clocks = completed(sound, motion).cameras
    assert clocks["cam2"].ok
    assert not clocks["cam3"].ok
    assert not clocks["cam4"].ok
