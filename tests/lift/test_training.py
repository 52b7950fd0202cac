"""Training runs: settings, batches, resuming, evaluation, and the commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from clapcap.errors import ClapcapError, FileFormatError
from lift.batches import Batch, Sampler, sequence_shares
from lift.evaluate import evaluate, load_methods
from lift.learning import CHECKPOINT, LOSSES
from lift.linear import fit_linear
from lift.mocap.archives import Motions
from lift.noise import load_noise
from lift.points import MIRROR
from lift.settings import TrainingSettings, dump_settings, load_settings
from lift.train import train
from session.main import run as clapcap

TINY = """
[run]
steps = 12
checkpoint_every = 4
workers = 2
threads = 1
device = "cpu"
[model]
channels = 16
blocks = 2
dropout = 0.2
heads = 2
[windows]
windows = 4
frames = 24
[optimizer]
warmup = 3
[validation]
every = 3
batches = 1
[baselines]
linear_batches = 3
residual_steps = 4
residual_channels = 16
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY, encoding="utf-8")
    return path


@pytest.fixture
def tiny(config: Path) -> TrainingSettings:
    return load_settings(config)


class KilledError(Exception):
    """What stands for a kill."""


def test_a_run_that_was_killed_goes_on_with_exactly_the_same_losses(
    motions: Motions, tiny: TrainingSettings, tmp_path: Path
):
    train(motions, tiny, tmp_path / "whole")

    def killing(what: str):
        def progress(done: int, total: int | None) -> None:
            if what == "lifter" and done == 10:  # two steps after the checkpoint
                raise KilledError

        return progress

    with pytest.raises(KilledError):
        train(motions, tiny, tmp_path / "killed", killing)
    # Other threads and another spacing of checkpoints change nothing.
    again = replace(tiny, run=replace(tiny.run, workers=1, checkpoint_every=5))
    train(motions, again, tmp_path / "killed")
    for name in ("lifter", "residual"):
        losses = [(tmp_path / run / name / LOSSES).read_text() for run in ("whole", "killed")]
        assert losses[0] == losses[1]
    assert len(losses[0].splitlines()) == 1 + 4
    weights = [(tmp_path / run / "lifter.safetensors").read_bytes() for run in ("whole", "killed")]
    assert weights[0] == weights[1]


def test_a_finished_run_has_nothing_to_do(motions: Motions, tiny: TrainingSettings, tmp_path: Path):
    first = train(motions, tiny, tmp_path / "run")
    made = (tmp_path / "run" / "lifter" / CHECKPOINT).stat().st_mtime_ns
    again = train(motions, tiny, tmp_path / "run")
    assert (tmp_path / "run" / "lifter" / CHECKPOINT).stat().st_mtime_ns == made
    assert again.lifter.best_mm == first.lifter.best_mm


def test_a_run_of_other_settings_is_not_gone_on_with(motions: Motions, tiny: TrainingSettings, tmp_path: Path):
    train(motions, tiny, tmp_path / "run")
    other = replace(tiny, windows=replace(tiny.windows, frames=20))
    with pytest.raises(FileFormatError, match="begun with other settings"):
        train(motions, other, tmp_path / "run")


def test_a_checkpoint_that_would_run_code_is_refused(motions: Motions, tiny: TrainingSettings, tmp_path: Path):
    folder = tmp_path / "run" / "residual"
    folder.mkdir(parents=True)
    torch.save({"step": Path("a")}, folder / CHECKPOINT)
    with pytest.raises(FileFormatError, match="Delete it to begin again"):
        train(motions, tiny, tmp_path / "run")


def test_early_stopping_ends_a_run_that_gets_no_better(motions: Motions, tiny: TrainingSettings, tmp_path: Path):
    stuck = replace(
        tiny,
        run=replace(tiny.run, steps=200),
        optimizer=replace(tiny.optimizer, rate=1e-12),
        validation=replace(tiny.validation, every=1, patience=3),
    )
    run = train(motions, stuck, tmp_path / "run")
    assert run.lifter.stopped_early
    assert run.lifter.step < 50


@pytest.mark.parametrize("kind", ["tcn", "transformer"])
def test_causal_networks_that_take_the_detectors_own_3d_learn_from_it(
    kind: str, motions: Motions, tiny: TrainingSettings, tmp_path: Path
):
    """The own 3D is the truth with small errors here: a network that takes it ends nearer to the truth than one
    without."""
    settings = replace(
        tiny,
        run=replace(tiny.run, steps=150),
        model=replace(tiny.model, kind=kind, causal=True, channels=32, dropout=0.0, world_landmarks=False),
        windows=replace(tiny.windows, world_share=1.0),
        optimizer=replace(tiny.optimizer, rate=5e-3, average=0.9),
        validation=replace(tiny.validation, every=50, batches=2),
        baselines=replace(tiny.baselines, residual_steps=1),
    )
    with_world = replace(settings, model=replace(settings.model, world_landmarks=True))
    without = train(motions, settings, tmp_path / "without").lifter.best_mm
    given = train(motions, with_world, tmp_path / "with").lifter.best_mm
    assert given < 0.9 * without
    found = evaluate(load_methods(tmp_path / "with"), motions, "test", tiny.cameras, load_noise(), views=1)
    assert np.isfinite(found.overall["lifter"].pa_mpjpe_mm)


def sampler(motions: Motions, settings: TrainingSettings, world: bool = False) -> Sampler:
    return Sampler(motions, "train", settings.windows, settings.cameras, load_noise(), world, 1)


def test_a_batch_depends_on_its_number_only(motions: Motions, tiny: TrainingSettings):
    one, two = sampler(motions, tiny), sampler(motions, tiny)
    two.batch(0)
    a, b = one.batch(3), two.batch(3)
    for name in ("features", "joints_m", "root_code", "contact"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert (one.batch(4).features != a.features).any()


def test_batches_are_of_the_subjects_of_their_set(motions: Motions, tiny: TrainingSettings):
    assert motions.subject[sampler(motions, tiny).sequences].tolist() == ["anna", "bert"]


def test_the_truth_reprojects_where_the_rays_are_when_there_are_no_errors(motions: Motions, tiny: TrainingSettings):
    """The targets and the inputs are of one frame of reference: the root's code and the joints give the rays back."""
    quiet = load_noise()
    zeros = np.zeros_like(quiet.sigma_m)
    quiet = replace(
        quiet,
        **{"bias_m": np.zeros_like(quiet.bias_m), "clip_m": zeros, "sigma_m": zeros},
        **{f"{part}_swaps_per_s": 0.0 for part in ("arm", "leg", "body")},
        **{"dropouts_per_s": 0.0, "lost_outside": 100.0},
    )
    cameras = replace(tiny.cameras, guessed_share=0.0)
    batch: Batch = Sampler(motions, "train", tiny.windows, cameras, quiet, False, 1).batch(0)
    points = batch.joints_m.shape[2]
    scaled_ray = batch.features[..., : 2 * points].reshape(*batch.features.shape[:2], points, 2)
    spread = np.exp(batch.features[..., 3 * points] - 1.5)
    depth = np.exp(batch.root_code[..., 2]) / spread
    root = np.concatenate([batch.root_code[..., :2] * (spread * depth)[..., None], depth[..., None]], axis=-1)
    place = batch.joints_m + root[..., None, :]
    seen = batch.features[..., 2 * points : 3 * points] > 0
    found = place[..., :2] / place[..., 2:] / spread[..., None, None]
    np.testing.assert_allclose(found[seen], scaled_ray[seen], atol=2e-3)


def test_rare_activities_are_drawn_more_often_than_their_length_says(motions: Motions):
    activity = np.array(["walk", "walk", "dance", "dance"])
    uneven = replace(motions, activity=activity, start=np.array([0, 400, 800, 850, 900]))
    everyone = np.arange(4)
    np.testing.assert_allclose(sequence_shares(uneven, everyone, 1.0), [4 / 9, 4 / 9, 0.5 / 9, 0.5 / 9])
    np.testing.assert_allclose(sequence_shares(uneven, everyone, 0.0), [0.25] * 4)


def test_the_linear_baseline_is_the_least_squares_fit(motions: Motions, tiny: TrainingSettings):
    source = sampler(motions, tiny)
    model = fit_linear(source, 6)
    residual, spread = [], []
    for number in range(6):
        batch = source.batch(number)
        with torch.inference_mode():
            found = model(torch.from_numpy(batch.features)).joints_m.numpy()
        known = np.isfinite(batch.joints_m)
        residual.append((found - batch.joints_m)[known])
        spread.append(batch.joints_m[known])
    assert np.std(np.concatenate(residual)) < 0.6 * np.std(np.concatenate(spread))


def test_settings_come_back_as_they_were_written(tiny: TrainingSettings, tmp_path: Path):
    path = tmp_path / "again.toml"
    path.write_text(dump_settings(tiny), encoding="utf-8")
    assert load_settings(path) == tiny


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[rum]\nseed = 1", r"no table \[rum\]"),
        ("[run]\nsteps = 'many'", r"\[run\] steps is 'many', needed something like"),
        ("[run]\nstep = 3", r"\[run\] has no key step"),
        ("[model]\nkind = 'lstm'", "needed one of tcn"),
        ("[windows]\nspeed = 1.0", "needed a list of numbers"),
        ("[run", "not TOML"),
    ],
)
def test_wrong_settings_are_refused_by_name(text: str, said: str, tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=said) as caught:
        load_settings(path)
    assert "mine.toml" in str(caught.value)


def test_evaluation_gives_every_method_and_activity_the_same_frames(
    motions: Motions, tiny: TrainingSettings, tmp_path: Path
):
    train(motions, tiny, tmp_path / "run")
    found = evaluate(load_methods(tmp_path / "run"), motions, "test", tiny.cameras, load_noise())
    assert list(found.overall) == ["lifter", "residual", "linear", "world"]
    assert {e.frames for e in found.overall.values()} == {480}  # 240 frames, two cameras
    assert found.by_activity["walk"] == found.overall
    assert found.minutes == {"walk": pytest.approx(240 / 3600)}


def test_a_perfect_lifter_would_have_no_error(motions: Motions, tiny: TrainingSettings, monkeypatch):
    """The evaluation's turns and scales are right: the truth, given back in the centred frame, has no error."""
    from lift import evaluate as module
    from lift.batches import truth_in
    from lift.model import Lifted

    class Oracle:
        settings = tiny.model
        reach = 0
        asked = 0

        def __call__(self, features: torch.Tensor) -> Lifted:
            self.asked += 1
            joints = np.nan_to_num(seen["joints"])
            if self.asked % 2 == 0:  # the mirrored recording
                joints = joints[..., MIRROR, :] * np.float32([-1, 1, 1])
            told = torch.from_numpy(joints)
            return Lifted(told, told[..., 0, :], told[..., 0, :2], told[..., 0])

    seen: dict[str, np.ndarray] = {}
    observe = module.observe

    def remembering(rng, body, cameras, noise, with_world):
        detections, view = observe(rng, body, cameras, noise, with_world)
        seen["joints"], _ = truth_in(view, body, cameras)
        return detections, view

    monkeypatch.setattr(module, "observe", remembering)
    found = evaluate({"lifter": Oracle()}, motions, "test", tiny.cameras, load_noise())  # type: ignore[dict-item]
    assert found.overall["lifter"].mpjpe_mm < 1e-3
    assert found.overall["lifter"].pa_mpjpe_mm < 1e-3


def test_train_and_evaluate_as_a_user(
    recordings: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = tmp_path / "run"
    with pytest.raises(SystemExit) as done:
        clapcap(["train", "lifter", str(recordings), "-o", str(run), "--config", str(config)])
    assert done.value.code in (0, None)
    said = capsys.readouterr().out
    assert "12 steps" in said
    assert "clapcap evaluate lifter" in said
    card = (run / "lifter.md").read_text()
    assert "CC" in card
    assert "learned from: anna, bert" in card
    assert "Not measured yet" in card
    with pytest.raises(SystemExit) as done:
        clapcap(["evaluate", "lifter", str(run), str(recordings)])
    assert done.value.code in (0, None)
    said = capsys.readouterr().out
    assert "linear, per frame" in said
    assert "walk" in said
    card = (run / "lifter.md").read_text()
    assert "| linear, frame by frame |" in card
    assert "Not measured yet" not in card
    assert "## Limits" in card
    written = sorted(run.iterdir())
    with pytest.raises(SystemExit) as done:
        clapcap(["evaluate", "lifter", str(run / "lifter.safetensors"), str(recordings)])
    assert done.value.code in (0, None)
    assert "detector's own 3D" in capsys.readouterr().out
    assert sorted(run.iterdir()) == written


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "dancer", "x", "-o", "y"], 'no model "dancer"'),
        (["train", "lifter", "nowhere", "-o", "y"], "nowhere/index.csv"),
        (["evaluate", "lifter", "nowhere", "x"], "Train first"),
        (["evaluate", "lifter", "nowhere", "x", "--split", "all"], "choose test, val or train"),
    ],
)
def test_wrong_words_are_told_what_to_do(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as done:
        clapcap(words)
    assert done.value.code == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_device_that_there_is_not_is_named(motions: Motions, tiny: TrainingSettings, tmp_path: Path):
    with pytest.raises(ClapcapError, match='Use "auto" or "cpu"'):
        train(motions, replace(tiny, run=replace(tiny.run, device="cuda:77")), tmp_path / "run")
