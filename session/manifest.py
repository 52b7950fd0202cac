"""What was computed from what: a stage runs again only when its inputs, its settings or the version have changed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clapcap import __version__
from session.atomic import written_whole


@dataclass(frozen=True)
class Stage:
    """One step from files to files.

    Attributes
    ----------
    name
        What the manifest calls it, e.g. "detect cam1".
    inputs, outputs
        Files; an input may also be a folder of pictures.
    settings
        What else decides the outputs: plain JSON values.
    """

    name: str
    inputs: Sequence[Path]
    outputs: Sequence[Path]
    settings: Mapping[str, Any] = field(default_factory=dict)


class Manifest:
    """`manifest.json` of one recording's results.

    Digests are SHA-256 of the content. A file whose size and modification time are those noted with its digest is not
    read again.
    """

    def __init__(self, results: Path, root: Path) -> None:
        """Open the manifest in the folder `results` of the session at `root`."""
        self._path = results / "manifest.json"
        self._root = root
        self._document: dict[str, Any] = {"stages": {}, "files": {}}
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            if isinstance(document["stages"], dict) and isinstance(document["files"], dict):
                self._document = document
        except (OSError, ValueError, KeyError, TypeError):
            pass  # no manifest, or a damaged one: everything is computed anew

    def is_current(self, stage: Stage) -> bool:
        """Tell whether the stage's outputs are there, untouched, and would come out the same again."""
        noted = self._document["stages"].get(stage.name)
        if not isinstance(noted, dict) or not all(path.exists() for path in stage.outputs):
            return False
        return {key: noted.get(key) for key in ("version", "settings", "inputs", "outputs")} == self._entry(stage)

    def record(self, stage: Stage, report: Mapping[str, Any] | None = None) -> None:
        """Note that the stage has run, with a report of plain JSON values."""
        entry = self._entry(stage)
        entry["report"] = _plain(dict(report or {}))
        self._document["stages"][stage.name] = entry
        self._write()

    def forget(self, name: str) -> None:
        """Remove what is noted of the stage called `name`, whose results another stage has replaced."""
        if self._document["stages"].pop(name, None) is not None:
            self._write()

    def claim(self) -> None:
        """Write the manifest if there is none: the folder is for results from now on, even if nothing is finished."""
        if not self._path.exists():
            self._write()

    @property
    def stages(self) -> list[str]:
        """The names of the stages that have run."""
        return list(self._document["stages"])

    def inputs(self, name: str) -> dict[str, str]:
        """Return the digests of the inputs that the stage called `name` ran on, by name; empty if it never ran."""
        return dict(self._document["stages"].get(name, {}).get("inputs", {}))

    def report(self, name: str) -> dict[str, Any]:
        """Return the report of the stage called `name`; empty if it never ran."""
        entry = self._document["stages"].get(name, {})
        report = entry.get("report", {})
        return dict(report)

    def settings(self, name: str) -> dict[str, Any]:
        """Return the settings that the stage called `name` ran with; empty if it never ran."""
        return dict(self._document["stages"].get(name, {}).get("settings", {}))

    def digest(self, path: Path) -> str:
        """Return the SHA-256 of a file, or of a folder of pictures; read only if it has changed since it was noted."""
        return self._digest(path)

    def was_edited(self, name: str, output: Path) -> bool:
        """Tell whether an output of the stage called `name` is no longer what the stage wrote."""
        noted = self._document["stages"].get(name, {}).get("outputs", {}).get(self._name(output))
        return noted is not None and noted != self._digest(output)

    def _write(self) -> None:
        text = json.dumps(self._document, indent=2, sort_keys=True) + "\n"
        with written_whole(self._path) as partial:
            partial.write_text(text, encoding="utf-8")

    def _entry(self, stage: Stage) -> dict[str, Any]:
        return {
            "version": __version__,
            "settings": _plain(dict(stage.settings)),
            "inputs": {self._name(path): self._digest(path) for path in stage.inputs},
            "outputs": {self._name(path): self._digest(path) for path in stage.outputs},
        }

    def _name(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix() if path.is_relative_to(self._root) else str(path)

    def _digest(self, path: Path) -> str:
        if path.is_dir():
            parts = [f"{child.name} {self._digest(child)}" for child in sorted(path.iterdir()) if child.is_file()]
            return hashlib.sha256("\n".join(parts).encode()).hexdigest()
        stat = path.stat()
        stamp = [stat.st_size, stat.st_mtime_ns]
        noted = self._document["files"].get(self._name(path))
        if isinstance(noted, dict) and noted.get("stamp") == stamp:
            return str(noted["sha256"])
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
        self._document["files"][self._name(path)] = {"stamp": stamp, "sha256": digest.hexdigest()}
        return digest.hexdigest()


def _plain(value: Any) -> Any:
    """Return `value` as JSON would give it back; NaN becomes None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
