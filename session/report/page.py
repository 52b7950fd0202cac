"""The house that all pages share: one file, no host asked for anything, every text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"

CAMERA_COLOURS = 8
"""Colours of cameras in `page.css`; more cameras than that share them."""


def render(template: str, **context: Any) -> str:
    """Fill in a page's template; style and script come along inline."""
    from markupsafe import Markup

    inline = {kind: Markup((TEMPLATES / name).read_text("utf-8")) for kind, name in INLINE.items()}
    return _environment().get_template(template).render(**inline, **context)


INLINE = {
    "style": "page.css",
    "scene_script": "scene.js",
    "take_style": "take.css",
    "take_script": "take.js",
}
"""What pages hold as it stands: our own files, the only text that is not escaped."""


def millimetres(length_m: float | None) -> str:
    """Put a length into words, two digits of it: "0.35 mm", "4.2 mm", "36 mm"; "not known" for None and NaN."""
    if length_m is None or not abs(length_m) < float("inf"):
        return "not known"
    value = 1000 * length_m
    digits = 2 if abs(value) < 0.995 else 1 if abs(value) < 9.95 else 0
    return f"{value:.{digits}f} mm"


def milliseconds(time_s: float) -> str:
    """Put a time into words, two digits of it: "0.31 ms", "5.9 ms", "24 ms"."""
    value = 1000 * time_s
    digits = 2 if abs(value) < 0.995 else 1 if abs(value) < 9.95 else 0
    return f"{value:.{digits}f} ms"


def camera_colour(place: int) -> str:
    """Return the style variable that holds the colour of a camera."""
    return f"--camera-{place % CAMERA_COLOURS}"


def capitalize_first(text: str) -> str:
    """Return a sentence that begins with a capital; the rest stays as it is, names of cameras too."""
    return text[:1].upper() + text[1:]


def listed(parts: Sequence[str]) -> str:
    """Return "a", "a and b", "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["listed"] = listed
    environment.filters["mm"] = millimetres
    environment.filters["milliseconds"] = milliseconds
    environment.filters["camera_colour"] = camera_colour
    environment.filters["capitalize_first"] = capitalize_first
    return environment
