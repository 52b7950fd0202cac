"""The networks: shapes, what an answer depends on, files, and ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from clapcap.errors import FileFormatError
from lift.geometry import channel_count
from lift.learning import Learned
from lift.losses import LossWeights, Targets, loss_parts, weighted
from lift.model import KINDS, Lifted, Lifter, Memory, ModelSettings, build_model, start_from
from lift.onnx_export import export_onnx
from lift.points import POINTS
from lift.weights_file import load_weights, save_weights


def network(kind: str, **more: object) -> Lifter:
    torch.manual_seed(0)
    model = build_model(ModelSettings(kind=kind, channels=24, blocks=3, band=5, heads=4, **more))  # type: ignore[arg-type]
    with torch.no_grad():
        model.leave.weight.normal_()  # untrained networks answer next to nothing
    return model.eval()


def inputs(frames: int = 60, world: bool = False) -> torch.Tensor:
    return torch.randn(2, frames, channel_count(world), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("world", [False, True])
def test_shapes(kind: str, world: bool):
    lifted = network(kind, world_landmarks=world)(inputs(world=world))
    assert [tuple(value.shape) for value in lifted] == [
        (2, 60, len(POINTS), 3),
        (2, 60, 3),
        (2, 60, 2),
        (2, 60, len(POINTS)),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_frame_by_frame_a_causal_network_answers_as_to_the_whole(kind: str):
    model = network(kind, causal=True)
    features = inputs(frames=40)
    memory: Memory = {}
    with torch.inference_mode():
        whole = model(features)
        steps = [model.step(features[:, k : k + 1], memory) for k in range(40)]
    for place in range(4):
        np.testing.assert_allclose(torch.cat([step[place] for step in steps], dim=1), whole[place], atol=1e-4)


def test_a_network_that_looks_ahead_does_not_go_frame_by_frame():
    with pytest.raises(ValueError, match="later frames"):
        network("tcn").step(inputs(frames=1), {})


def test_a_causal_network_starts_with_what_a_centred_one_knows():
    given, model = network("tcn"), network("tcn", causal=True)
    start_from(model, given)
    still = inputs(frames=1).expand(-1, 60, -1)  # where nothing moves, before and after are alike
    with torch.inference_mode():
        there, here = given(still).joints_m, model(still).joints_m
    np.testing.assert_allclose(here, there, atol=1e-4)
    with pytest.raises(ValueError, match="cannot start"):
        start_from(given, model)
    with pytest.raises(ValueError, match="cannot start"):
        start_from(network("transformer"), given)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("causal", [False, True])
def test_an_answer_depends_on_the_frames_within_reach_and_on_no_later_ones_if_causal(kind: str, causal: bool):
    model = network(kind, causal=causal)
    features = inputs()
    changed = features.clone()
    changed[:, 30] += 1
    with torch.inference_mode():
        moved = (model(features).joints_m - model(changed).joints_m).abs().amax(dim=(0, 2, 3)) > 1e-6
    frames = torch.nonzero(moved).flatten().tolist()
    first = 30 if causal else 30 - model.reach
    assert frames[0] >= first
    assert frames[-1] <= 30 + model.reach
    if kind in ("tcn", "transformer"):
        assert len(frames) > 1
        assert frames[0] == 30 if causal else frames[0] < 30
    else:
        assert frames == [30]


def test_the_reach_of_the_convolutions_doubles_with_each_block():
    assert network("tcn").reach == 1 + 2 + 4
    assert network("tcn", causal=True).reach == 2 * (1 + 2 + 4)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_come_back_from_their_file(kind: str, tmp_path: Path):
    model = network(kind)
    path = tmp_path / "a.safetensors"
    save_weights(path, Learned(model, 10, 5, 12.3, False), 7)
    again = load_weights(path)
    assert again.settings == model.settings
    with torch.inference_mode():
        for a, b in zip(model(inputs()), again(inputs()), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_a_file_that_is_no_lifter_is_refused(tmp_path: Path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"\x00" * 64)
    with pytest.raises(FileFormatError, match=r"a\.safetensors: no lifter"):
        load_weights(path)
    with pytest.raises(FileFormatError, match="no lifter"):
        load_weights(tmp_path / "missing.safetensors")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("causal", [False, True])
def test_onnx_answers_like_torch_for_any_number_of_frames(kind: str, causal: bool, tmp_path: Path):
    pytest.importorskip("onnxruntime")
    difference = export_onnx(network(kind, causal=causal), tmp_path / "a.onnx")
    assert difference < 1e-4
    assert (tmp_path / "a.onnx").is_file()


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="needed one of tcn"):
        ModelSettings(kind="lstm")


def answer(joints: np.ndarray, log_sigma: float) -> Lifted:
    frames = joints.shape[1]
    return Lifted(
        torch.from_numpy(joints),
        torch.zeros(1, frames, 3),
        torch.zeros(1, frames, 2),
        torch.full((1, frames, len(POINTS)), log_sigma),
    )


def test_the_loss_is_the_mean_distance_of_what_is_known():
    joints = np.zeros((1, 4, len(POINTS), 3), np.float32)
    truth = joints.copy()
    truth[..., 0, 0] = 0.09  # one of 18 points, 9 cm off
    truth[..., 1, :] = np.nan
    targets = Targets(torch.from_numpy(truth), torch.full((1, 4, 3), torch.nan), torch.full((1, 4, 2), -1.0))
    parts = loss_parts(answer(joints, -3.0), targets)
    assert parts["position"].item() == pytest.approx(0.09 / 17, abs=2e-4)
    assert parts["root"].item() == 0
    assert parts["contact"].item() == 0
    assert parts["velocity"].item() == pytest.approx(1e-4, abs=1e-5)  # what keeps the gradient finite
    only = LossWeights(position=1.0, velocity=0.0, root=0.0, root_velocity=0.0, contact=0.0, uncertainty=0.0)
    assert weighted(parts, only).item() == pytest.approx(parts["position"].item())


def test_the_uncertainty_is_best_where_it_is_the_deviation():
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 0.05, (1, 400, len(POINTS), 3)).astype(np.float32)
    targets = Targets(torch.from_numpy(truth), torch.zeros(1, 400, 3), torch.zeros(1, 400, 2))
    zeros = np.zeros_like(truth)
    said = np.arange(0.03, 0.08, 0.005)
    losses = [loss_parts(answer(zeros, float(np.log(s))), targets)["uncertainty"].item() for s in said]
    assert said[int(np.argmin(losses))] == pytest.approx(0.05, abs=0.0051)
