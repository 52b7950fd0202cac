"""All settings of a training run, from one TOML file; the shipped one is the default.

Importing this module imports torch, by the networks' settings: do so inside functions.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from clapcap.errors import FileFormatError
from lift.batches import WindowSettings
from lift.cameras import CameraSettings
from lift.losses import LossWeights
from lift.model import ModelSettings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Part = TypeVar("Part")


@dataclass(frozen=True)
class RunSettings:
    """Seed, threads of torch and for batches, steps, steps between checkpoints, device ("auto", "cpu", ...)."""

    seed: int
    threads: int
    workers: int
    steps: int
    checkpoint_every: int
    device: str


@dataclass(frozen=True)
class OptimizerSettings:
    """Muon and AdamW: highest rate, steps of warm-up, decay, clip of the gradient's norm, and the weights' average."""

    rate: float
    warmup: int
    decay: float
    clip: float
    average: float


@dataclass(frozen=True)
class ValidationSettings:
    """Steps between validations, their batches, and how many without a better one end the run."""

    every: int
    batches: int
    patience: int


@dataclass(frozen=True)
class BaselineSettings:
    """Batches of the linear fit; steps and shape of the network of Martinez et al."""

    linear_batches: int
    residual_steps: int
    residual_channels: int
    residual_blocks: int
    residual_dropout: float


@dataclass(frozen=True)
class TrainingSettings:
    """Everything that a run depends on beside the data."""

    run: RunSettings
    model: ModelSettings
    windows: WindowSettings
    cameras: CameraSettings
    loss: LossWeights
    optimizer: OptimizerSettings
    validation: ValidationSettings
    baselines: BaselineSettings


def load_settings(path: Path | None = None) -> TrainingSettings:
    """Read settings; what the file leaves out is as in the shipped one.

    Raises
    ------
    FileFormatError
        The file cannot be read, or names a table or key that there is not, or a value is of the wrong kind.
    """
    shipped = tomllib.loads((resources.files("lift") / "data" / "train.toml").read_text(encoding="utf-8"))
    if path is None:
        return settings_from(shipped, {}, "the shipped settings")
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileFormatError(f"{path}: the settings cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{path}: the settings are not TOML: {error}.") from error
    return settings_from(shipped, given, str(path))


def settings_from(shipped: Mapping[str, Any], given: Mapping[str, Any], where: str) -> TrainingSettings:
    """Return settings of two documents, the second over the first; raises FileFormatError, naming `where`."""
    tables = {f.name: _PARTS[f.name] for f in fields(TrainingSettings)}
    if unknown := sorted(set(given) - set(tables)):
        raise FileFormatError(f"{where}: there is no table [{unknown[0]}]; there are {', '.join(tables)}.")
    parts = {name: _part(kind, name, shipped[name], given.get(name, {}), where) for name, kind in tables.items()}
    return TrainingSettings(**parts)


_PARTS: dict[str, type[Any]] = {
    "run": RunSettings,
    "model": ModelSettings,
    "windows": WindowSettings,
    "cameras": CameraSettings,
    "loss": LossWeights,
    "optimizer": OptimizerSettings,
    "validation": ValidationSettings,
    "baselines": BaselineSettings,
}


def _part(kind: type[Part], name: str, shipped: Mapping[str, Any], given: object, where: str) -> Part:
    if not isinstance(given, dict):
        raise FileFormatError(f"{where}: {name} must be a table.")
    values = {}
    if unknown := sorted(set(given) - set(shipped)):
        raise FileFormatError(f"{where}: [{name}] has no key {unknown[0]}; there are {', '.join(shipped)}.")
    for key, default in shipped.items():
        value = given.get(key, default)
        values[key] = _like(value, default, f"{where}: [{name}] {key}")
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"{where}: [{name}]: {error}.") from error


def _like(value: object, default: object, where: str) -> object:
    """Return a value of the default's kind; whole numbers are numbers too, lists become tuples of their length."""
    if isinstance(default, list):
        if not isinstance(value, list) or not value or not all(_is_number(v) for v in value):
            raise FileFormatError(f"{where} is {value!r}, needed a list of numbers like {default}.")
        return tuple(float(v) for v in value)
    if isinstance(default, float) and _is_number(value):
        return float(value)  # type: ignore[arg-type] # a number
    if type(value) is not type(default):
        raise FileFormatError(f"{where} is {value!r}, needed something like {default!r}.")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def dump_settings(settings: TrainingSettings) -> str:
    """Return the settings as TOML, each value as it is used."""
    lines = []
    for part in fields(settings):
        lines.append(f"[{part.name}]")
        table = getattr(settings, part.name)
        lines += [f"{f.name} = {_toml(getattr(table, f.name))}" for f in fields(table)]
        lines.append("")
    return "\n".join(lines)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)
