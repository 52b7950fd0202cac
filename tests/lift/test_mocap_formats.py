"""The readers of ASF/AMC and BVH, on skeletons whose poses can be checked by hand."""

import numpy as np
import pytest

from clapcap.errors import FileFormatError
from lift.mocap.asf_amc import read_amc, read_asf
from lift.mocap.bvh import read_bvh_joints

ASF = """:version 1.10
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     name thigh
     direction 0 -1 0
     length 4
     axis 0 0 0 XYZ
    dof rx ry rz
  end
  begin
     name shin
     direction 0 -1 0
     length 3
     axis 0 0 90 XYZ
    dof rx
  end
:hierarchy
  begin
    root thigh
    thigh shin
  end
"""


def amc(*frames: tuple[str, str, str]) -> str:
    lines = [":FULLY-SPECIFIED", ":DEGREES"]
    for number, (root, thigh, shin) in enumerate(frames, start=1):
        lines += [str(number), f"root {root}", f"thigh {thigh}", f"shin {shin}"]
    return "\n".join(lines)


def pose(*frame: str) -> dict[str, np.ndarray]:
    posed = read_amc(amc(frame), read_asf(ASF, "a.asf"), "a.amc")
    return {name: posed.of(name)[0] for name in posed.names}


def test_the_rest_pose_hangs_along_the_directions():
    at = pose("1 2 3 0 0 0", "0 0 0", "0")
    np.testing.assert_allclose(at["thigh"], [1, -2, 3])
    np.testing.assert_allclose(at["shin"], [1, -5, 3])


def test_a_quarter_turn_about_x_swings_the_leg_to_the_back_and_takes_the_shin_along():
    # R = Rx(90): -y goes to -z.
    at = pose("0 0 0 0 0 0", "90 0 0", "0")
    np.testing.assert_allclose(at["thigh"], [0, 0, -4], atol=1e-9)
    np.testing.assert_allclose(at["shin"], [0, 0, -7], atol=1e-9)


def test_angles_turn_about_the_bones_own_axes():
    # C = Rz(90) takes x to y: a turn of 90 about the shin's own x is one about y, which leaves -y where it is.
    at = pose("0 0 0 0 0 0", "0 0 0", "90")
    np.testing.assert_allclose(at["shin"], [0, -7, 0], atol=1e-9)


def test_x_is_turned_first_then_y_then_z():
    # Rz(90) Ry(0) Rx(90): -y to -z by x, -z stays by z. The other order would give -y to x to x.
    at = pose("0 0 0 0 0 0", "90 0 90", "0")
    np.testing.assert_allclose(at["thigh"], [0, 0, -4], atol=1e-9)


def test_thinned_motion_is_every_other_frame():
    still = ("0 0 0", "0")
    frames = [(f"{k} 0 0 0 0 0", *still) for k in range(5)]
    posed = read_amc(amc(*frames), read_asf(ASF, "a.asf"), "a.amc", every=2)
    np.testing.assert_array_equal(posed.of("root")[:, 0], [0, 2, 4])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (amc(("0 0 0 0 0 0", "0 0 0", "0")).replace("thigh 0 0 0", "thigh 0 0"), "numbers for 1 frames"),
        (amc(("0 0 0 0 0 0", "0 0 0", "0")).replace("shin", "fin"), "no bones"),
        (amc(("0 0 0 0 0 0", "0 0 0", "0"), ("0 0 0 0 0 0", "0 0 0", "0")).rsplit("\n", 1)[0], "cut or damaged"),
        (amc(("0 0 0 0 0 0", "0 0 0", "0")).replace("shin 0", "shin x0"), "no number"),
        (":DEGREES", "no line of the root"),
    ],
)
def test_damaged_amc_files_are_refused_with_the_reason(text: str, said: str):
    with pytest.raises(FileFormatError, match=said) as caught:
        read_amc(text, read_asf(ASF, "a.asf"), "take.amc")
    assert "take.amc" in str(caught.value)


def test_an_asf_without_a_hierarchy_is_refused():
    with pytest.raises(FileFormatError, match="hierarchy"):
        read_asf(ASF.split(":hierarchy")[0], "a.asf")


BVH = """HIERARCHY
ROOT hips
{
  OFFSET 7 7 7
  CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation
  JOINT knee
  {
    OFFSET 0 -4 0
    CHANNELS 3 Xrotation Yrotation Zrotation
    End Site
    {
      OFFSET 0 -3 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.0083333
1 2 3 0 0 0 0 0 0
0 0 0 90 0 90 0 0 90
"""


def test_bvh_positions_replace_the_root_offset_and_channels_turn_in_their_order():
    posed = read_bvh_joints(BVH, "a.bvh")
    assert posed.names == ("hips", "knee", "knee_end")
    np.testing.assert_allclose(posed.xyz[0], [[1, 2, 3], [1, -2, 3], [1, -5, 3]], atol=1e-9)
    # Frame 1: R = Rz(90) Rx(90) takes -y to -z; below the knee, Rz(90) first takes -y to x, and R takes x to y.
    np.testing.assert_allclose(posed.xyz[1], [[0, 0, 0], [0, 0, -4], [0, 3, -4]], atol=1e-9)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BVH.replace("Frames: 2", "Frames: 3"), "cut or damaged"),
        (BVH.replace("MOTION", ""), "no line MOTION"),
        (BVH.replace("1 2 3", "1 two 3"), "no number"),
        (BVH.replace("End Site", "Ende"), "'Ende' in the hierarchy"),
        (BVH.split("}")[0] + "MOTION\nFrames: 1\nFrame Time: 1\n1", "cut"),
        (BVH.replace("1 2 3", "nan 2 3"), "not finite"),
    ],
)
def test_damaged_bvh_files_are_refused_with_the_reason(text: str, said: str):
    with pytest.raises(FileFormatError, match=said):
        read_bvh_joints(text, "a.bvh")
