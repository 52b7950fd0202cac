"""Sync from sound with known truth: ours against two plain ways, on the same tracks, in the same run.

Baselines: the highest peak of the correlation of whole tracks (what a peer does), and that of librosa's onset envelopes
at a hop of 64 samples. Errors are those of every camera against the first, anywhere in the take (the worst of nine
moments), with the sound's travel taken out by the cameras' known places for ours ("calibrated") and, in scenes where
the cameras are equally far, for all. `1s` is the share of these errors within the deviation reported for that moment,
`bel` (believed) counts those above four of them; "before" is the time map before the calibration, whose deviations
include the unknown ways of the sound.

Run: `python -m benchmarks.sync [-o sync.json] [--scene NAME] [--quick] [--lines scenes.jsonl]`. All of it takes about
an hour on two cores; with `--lines` it may be stopped and goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
import wave
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import gcd
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.sync_scenes import SOUND_M_PER_S, Recipe, Scene, make_scene, random_recipe
from media.audio import Audio
from sync.clap import sync_by_clap, sync_heard
from sync.hearing import hear
from sync.travel import without_travel

Array = npt.NDArray[np.float64]

HALF_FRAME_S = 0.5 / 60
MUSIC = Recipe(music_db=-5)
SCENES: dict[str, Recipe] = {
    "claps, clean": Recipe(),
    "claps, gains and clipping": Recipe(gains_db=(-25, 6), clip=0.2),
    "claps, 0 dB noise": Recipe(noise_db=0),
    "claps, 44.1 and 48 kHz": Recipe(rates_hz=(44_100, 48_000)),
    "claps, 300 s": Recipe(duration_s=300, claps=6, noise_db=-20),
    "reverberation 0.8 s, direct -6 dB": Recipe(reverberation_s=0.8),
    "reverberation 0.8 s, direct -9 dB": Recipe(reverberation_s=0.8, direct_db=-9),
    "one clap, reverberation 0.8 s": Recipe(claps=1, clap_at=(0.2, 0.2), reverberation_s=0.8),
    "speech, reverberation, 10 dB noise": Recipe(reverberation_s=0.8, speech_db=-12, noise_db=-10),
    "speech, reverberation, no clap": Recipe(claps=0, reverberation_s=0.4, speech_db=-12, noise_db=-30),
    "music at 120 bpm with claps": MUSIC,
    "music at 120 bpm without claps": replace(MUSIC, claps=0),
    "-10 dB noise": Recipe(noise_db=10),
    "drift 50 ppm, 60 s": Recipe(drift_ppm=50),
    "drift 50 ppm, 300 s": Recipe(drift_ppm=50, duration_s=300),
    "drift 50 ppm, 300 s, early clap, speech": Recipe(
        drift_ppm=50, duration_s=300, claps=2, clap_at=(0.03, 0.05), speech_db=-15, noise_db=-25
    ),
    "cameras at 1, 3, 5, 8 m": Recipe(distances_m=(1, 3, 5, 8)),
    "one camera without sound": Recipe(mute=True),
    "one started after the claps": Recipe(late=True, clap_at=(0.05, 0.3)),
    "everything at once": Recipe(music_db=-8, reverberation_s=0.8, noise_db=0, distances_m=(1, 3, 5, 8)),
}


@dataclass(frozen=True)
class Measured:
    """One camera of one scene: errors over the take in seconds, NaN where refused."""

    scene: str
    error_s: float
    std_s: float
    raw_error_s: float
    raw_std_s: float
    rate_error: float
    full_error_s: float
    onset_error_s: float
    expected: bool
    detail: str


# Baselines


def at_48(audio: Audio) -> npt.NDArray[np.float32]:
    from scipy.signal import resample_poly

    mono = audio.samples.mean(axis=1)
    common = gcd(48_000, audio.rate_hz)
    if audio.rate_hz != 48_000:
        mono = resample_poly(mono, 48_000 // common, audio.rate_hz // common)
    return mono.astype(np.float32)


def highest_lag_s(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32], rate_hz: float) -> float:
    from scipy.fft import irfft, next_fast_len, rfft

    size = next_fast_len(len(first) + len(second), real=True)
    both = irfft(rfft(first, size) * rfft(second, size).conj(), size)
    place = int(both.argmax())
    return (place if place < len(first) else place - size) / rate_hz


def full_track(first: Audio, second: Audio) -> float:
    return highest_lag_s(at_48(first), at_48(second), 48_000) + first.start_s - second.start_s


def onset_envelopes(first: Audio, second: Audio) -> float:
    import librosa

    strength = [librosa.onset.onset_strength(y=at_48(audio), sr=48_000, hop_length=64) for audio in (first, second)]
    lag_s = highest_lag_s(strength[0] - strength[0].mean(), strength[1] - strength[1].mean(), 750)
    return lag_s + first.start_s - second.start_s


# Ours


def true_line(scene: Scene, camera: str, reference: str) -> tuple[float, float]:
    rate = scene.rate[camera] / scene.rate[reference]
    return (scene.offset_s[camera] - scene.offset_s[reference]) / scene.rate[reference], rate


def measure(scene: Scene, name: str, baselines: bool) -> list[Measured]:
    """Sync a scene by all ways."""
    result = sync_by_clap(scene.tracks)
    calibrated = without_travel(result, scene.camera_m, scene.source_m, place_std_m=0.0)
    reference = result.reference or next(iter(scene.tracks))
    equal = len({round(float(np.linalg.norm(place)), 6) for place in scene.camera_m.values()}) == 1
    rows = []
    for camera, audio in scene.tracks.items():
        if camera == reference:
            continue
        offset_s, rate = true_line(scene, camera, reference)
        first = scene.tracks[reference]
        times = np.linspace(0, 1, 9) * (audio.duration_s if audio is not None else 1.0)
        late_s = np.linalg.norm(scene.camera_m[camera]) - np.linalg.norm(scene.camera_m[reference])
        values = dict.fromkeys(("error_s", "std_s", "raw_error_s", "raw_std_s", "rate_error"), np.nan)
        clock = result.time_map.cameras[camera]
        if clock.ok:
            sure = calibrated.cameras[camera]
            raw = sure if equal else clock
            for prefix, found in (("", sure), ("raw_", raw)):
                error = np.asarray(found.to_session(times)) - offset_s - rate * times
                std = found.std_s(times)
                values[prefix + "error_s"] = float(np.abs(error).max())
                values[prefix + "std_s"] = float(std[np.abs(error).argmax()])
            values["rate_error"] = sure.rate - rate
        other = {"full_error_s": np.nan, "onset_error_s": np.nan}
        if baselines and audio is not None and first is not None:
            truth_s = offset_s + (rate - 1) * times[4]
            for key, way in (("full_error_s", full_track), ("onset_error_s", onset_envelopes)):
                other[key] = abs(way(first, audio) - truth_s)
        detail = f"{camera} late {late_s / SOUND_M_PER_S * 1e3:+.1f} ms: {clock.verdict}"
        rows.append(Measured(name, **values, **other, expected=camera in scene.solvable, detail=detail))
    return rows


def one_scene(seed: int, name: str, recipe: Recipe | None, baselines: bool) -> list[Measured]:
    """Make a scene from its seed, and measure it; a recipe of None: a random one."""
    rng = np.random.default_rng([4, seed])
    made = make_scene(random_recipe(rng) if recipe is None else recipe, rng)
    return [replace(row, detail=f"seed {seed}, {row.detail}") for row in measure(made, name, baselines)]


def measure_all(
    work: Callable[[int], list[Measured]], name: str, count: int, pool: ProcessPoolExecutor, lines: Path | None
) -> list[Measured]:
    """Measure a scene from seeds 0 to count, each written to a file of JSON lines at once; those in it are not run."""
    known: dict[int, list[Measured]] = {}
    for line in lines.read_text().splitlines() if lines is not None and lines.exists() else []:
        entry = json.loads(line)
        if entry["scene"] == name:
            known[entry["seed"]] = [Measured(**row) for row in entry["cameras"]]
    left = [seed for seed in range(count) if seed not in known]
    for seed, found in zip(left, pool.map(work, left), strict=True):
        known[seed] = found
        if lines is not None:
            with lines.open("a") as file:
                file.write(json.dumps({"scene": name, "seed": seed, "cameras": [asdict(row) for row in found]}) + "\n")
    return [row for seed in range(count) for row in known[seed]]


def row_of(name: str, found: list[Measured]) -> dict[str, object]:
    """Return the table's row."""

    def column(key: str) -> Array:
        return np.array([getattr(one, key) for one in found], dtype=np.float64)

    error, std = column("error_s"), column("std_s")
    raw, raw_std = column("raw_error_s"), column("raw_std_s")
    solved = np.isfinite(error)
    row: dict[str, object] = {"scene": name, "cameras": len(found), "refused": float(np.mean(~solved))}
    for key, values in (("full", column("full_error_s")), ("onset", column("onset_error_s"))):
        values = values[np.isfinite(values)]
        row[f"{key}_median_ms"] = float(np.median(values)) * 1e3 if len(values) else None
        row[f"{key}_half_frame"] = float(np.mean(values > HALF_FRAME_S)) if len(values) else None
    if solved.any():
        row |= {
            "median_ms": float(np.median(error[solved])) * 1e3,
            "worst_ms": float(error[solved].max()) * 1e3,
            "half_frame": float(np.mean(error[solved] > HALF_FRAME_S)),
            "rate_ppm": float(np.median(np.abs(column("rate_error")[solved]))) * 1e6,
            "rate_worst_ppm": float(np.abs(column("rate_error")[solved]).max()) * 1e6,
            "within_1_sigma": float(np.mean(error[solved] <= std[solved])),
            "believed": int(np.sum(error[solved] > 4 * std[solved])),
            "raw_median_ms": float(np.median(raw[solved])) * 1e3,
            "raw_within_1_sigma": float(np.mean(raw[solved] <= raw_std[solved])),
            "raw_believed": int(np.sum(raw[solved] > 4 * raw_std[solved])),
        }
    return row


def print_row(row: dict[str, object]) -> None:
    def shown(key: str, form: str, scale: float = 1) -> str:
        value = row.get(key)
        width = int(form.split(".")[0].lstrip("+"))
        return f"{'-':>{width}}" if value is None else f"{scale * float(str(value)):{form}f}"

    print(
        f"{row['scene']:40}{row['cameras']:5d} |{shown('full_median_ms', '10.2')}"
        f"{shown('full_half_frame', '5.0', 100)} |"
        f"{shown('onset_median_ms', '9.2')}{shown('onset_half_frame', '5.0', 100)} |{shown('median_ms', '9.4')}"
        f"{shown('worst_ms', '9.4')}{shown('half_frame', '5.0', 100)}{shown('refused', '5.0', 100)}"
        f"{shown('within_1_sigma', '6.0', 100)}{shown('believed', '4.0')}{shown('rate_worst_ppm', '8.2')} |"
        f"{shown('raw_median_ms', '8.2')}{shown('raw_within_1_sigma', '5.0', 100)}{shown('raw_believed', '4.0')}",
        flush=True,
    )


HEADER = (
    f"{'':40}{'':5} |{'full track':>15} |{'onsets':>14} |{'ours, calibrated':>46} |{'before':>17}\n"
    f"{'scene':40}{'cams':>5} |{'med ms':>10}{'>½f%':>5} |{'med ms':>9}{'>½f%':>5} |"
    f"{'med ms':>9}{'worst':>9}{'>½f%':>5}"
    f"{'ref%':>5}{'1s%':>6}{'bel':>4}{'ppm':>8} |{'med ms':>8}{'1s%':>5}{'bel':>4}"
)


def long_tracks() -> dict[str, float]:
    """Sync four files of ten minutes, and return seconds and megabytes of a process that does nothing else."""
    recipe = Recipe(duration_s=600, cameras=1, claps=6, speech_db=-15, noise_db=-25, reverberation_s=0.4)
    rng = np.random.default_rng(9)
    sound = make_scene(recipe, rng).tracks["cam1"]
    assert sound is not None
    with tempfile.TemporaryDirectory() as folder:
        for camera in range(4):
            # The same sound, each with its own noise, start and gain.
            own = sound.samples[camera * 4800 :, 0] * (0.5 + 0.1 * camera)
            own = own + rng.normal(0, 0.001, len(own))
            with wave.open(f"{folder}/cam{camera}.wav", "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(sound.rate_hz)
                file.writeframes((np.clip(own, -1, 1) * 32767).astype("<i2").tobytes())
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            return pool.submit(sync_files, sorted(Path(folder).iterdir())).result()


def sync_files(paths: list[Path]) -> dict[str, float]:
    """Read and sync files as the session does, one track in memory at a time."""
    from media.audio import read_audio

    begun_mb = _highest_mb()
    begun_s = time.perf_counter()
    reading_s = 0.0
    cpu_s = time.process_time()
    heard = {}
    for path in paths:
        start, start_cpu = time.perf_counter(), time.process_time()
        sound = read_audio(path, mono=True)
        reading_s += time.perf_counter() - start
        cpu_s += time.process_time() - start_cpu
        heard[path.stem] = None if sound is None else hear(sound)
        del sound
    result = sync_heard(heard)
    return {
        "decoding_s": reading_s,
        "syncing_s": time.perf_counter() - begun_s - reading_s,
        "syncing_cpu_s": time.process_time() - cpu_s,
        "imports_mb": begun_mb,
        "peak_mb": _highest_mb(),
        "refused": len(result.time_map.refused),
    }


def _highest_mb() -> float:
    """Return the most memory that this process had (Linux: of itself, not of who started it)."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, help="write the table as JSON, too")
    parser.add_argument(
        "--lines", type=Path, help="write each scene's cameras as JSON lines as they come, and go on there"
    )
    parser.add_argument("--scene", help="only scenes whose name contains this; `random` and `long` are two more")
    parser.add_argument("--quick", action="store_true", help="2 of 8 seeds of each scene, 40 of 1,000 random ones")
    parser.add_argument("--random", type=int, help="how many random scenes")
    parser.add_argument("--seeds", type=int, help="how many seeds of each named scene")
    parser.add_argument("--no-baselines", action="store_true")
    parser.add_argument("--worst", type=int, default=0, help="list this many of the worst cameras of each scene")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    wanted = arguments.scene or ""
    seeds = arguments.seeds or (2 if arguments.quick else 8)
    random = arguments.random or (40 if arguments.quick else 1000)
    rows = []
    print(HEADER)
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for name, recipe in [*SCENES.items(), ("random", None)]:
            if wanted not in name:
                continue
            baselines = recipe is not None and not arguments.no_baselines
            work = partial(one_scene, name=name, recipe=recipe, baselines=baselines)
            count = random if recipe is None else seeds if recipe.duration_s <= 60 else max(seeds // 4, 1)
            found = measure_all(work, name, count, pool, arguments.lines)
            rows.append(row_of(name, [one for one in found if one.expected or np.isfinite(one.error_s)]))
            print_row(rows[-1])
            ranked = sorted(found, key=lambda one: -np.nan_to_num(one.error_s / one.std_s, nan=-1))
            for one in ranked[: arguments.worst]:
                print(
                    f"  {1e3 * one.error_s:.4f} ± {1e3 * one.std_s:.4f} ms, raw {1e3 * one.raw_error_s:.3f} ± "
                    f"{1e3 * one.raw_std_s:.3f}, {1e6 * one.rate_error:+.2f} ppm: {one.detail}"
                )
    document: dict[str, object] = {"rows": rows}
    if wanted in "long":
        document["long"] = measured = long_tracks()
        print("four tracks of ten minutes: " + ", ".join(f"{key} {value:.1f}" for key, value in measured.items()))
    if arguments.output:
        arguments.output.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
