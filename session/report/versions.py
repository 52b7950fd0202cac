"""Versions of the libraries that decide digits, for the pages."""

from __future__ import annotations

from collections.abc import Sequence


def library_versions(libraries: Sequence[str]) -> str:
    """Return "numpy 1.26.4, scipy 1.15.3" of those that are installed under these names."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for library in libraries:
        try:
            found.append(f"{library} {version(library)}")
        except PackageNotFoundError:  # installed under another name, such as opencv-python
            continue
    return ", ".join(found)
