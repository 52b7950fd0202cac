"""The lens models that there are: the files of this folder."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import calib.lenses
from calib.lenses.lens import Lens
from clapcap.errors import CalibrationError

NO_MODELS = ("catalogue", "lens")
"""The files of the folder that hold no model."""


def lens_names() -> tuple[str, ...]:
    """Return the names of all lens models, sorted."""
    return tuple(sorted(found.name for found in iter_modules(calib.lenses.__path__) if found.name not in NO_MODELS))


def lens_named(name: str) -> Lens:
    """Return the lens model of that name, such as "brown" or "fisheye".

    Raises
    ------
    CalibrationError
        If there is none.
    """
    if name not in lens_names():
        raise CalibrationError(f'"{name}" is no lens model: needed one of {", ".join(lens_names())}.')
    lens = import_module(f"calib.lenses.{name}").LENS
    if not isinstance(lens, Lens) or lens.name != name:
        raise TypeError(f"calib/lenses/{name}.py: LENS must be a Lens with the name {name}, is {lens!r}")
    return lens
