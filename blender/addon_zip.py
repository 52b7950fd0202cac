"""Building the extension: its own files, and what it needs of clapcap, into one zip that Blender installs.

Extensions may not put modules beside Blender's own, so clapcap's are copied into `lib/`, and imports are made relative.
Only what runs on Blender's Python and numpy is taken.
"""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
ADDON = ROOT / "blender" / "addon"
OWN = ("__init__.py", "importing.py", "retargeting.py", "blender_manifest.toml")
TAKEN = (
    "clapcap/__init__.py",
    "clapcap/errors.py",
    "skeleton/__init__.py",
    "skeleton/motion.py",
    "retarget/__init__.py",
    "retarget/rigs/__init__.py",
    "retarget/rigs/rig.py",
    "retarget/rigs/presets.py",
    "retarget/rigs/limbs.py",
    "retarget/rigs/planting.py",
    "retarget/rigs/reaching.py",
    "retarget/rigs/transfer.py",
    "retarget/rigs/turns.py",
    "blender/__init__.py",
    "blender/export/__init__.py",
    "blender/export/actions.py",
    "blender/export/armature.py",
    "blender/export/handles.py",
)
PACKAGES = ("clapcap", "skeleton", "retarget", "blender")


def build_addon(target: Path) -> Path:
    """Write the extension's zip, the same bytes every time, and return its path."""
    files = {}
    for name in OWN:
        text = (ADDON / name).read_text(encoding="utf-8")
        files[name] = own_imports(text) if name.endswith(".py") else text
    files["lib/__init__.py"] = '"""What the extension takes of clapcap."""\n'
    for name in TAKEN:
        text = (ROOT / name).read_text(encoding="utf-8")
        files[f"lib/{name}"] = relative_imports(text, depth=name.count("/") + 1)
    for preset in sorted((ROOT / "retarget" / "rigs" / "presets").glob("*.toml")):
        files[f"lib/retarget/rigs/presets/{preset.name}"] = preset.read_text(encoding="utf-8")
    files["LICENSE"] = (ROOT / "LICENSE").read_text(encoding="utf-8")
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), files[name])
    return target


def relative_imports(text: str, depth: int) -> str:
    """Return a module's text with its imports of clapcap's packages made relative; it lies `depth` folders down."""
    packages = "|".join(PACKAGES)
    return re.sub(rf"^(\s*)from ({packages})(\.|\s)", rf"\1from {'.' * depth}\2\3", text, flags=re.MULTILINE)


def own_imports(text: str) -> str:
    """Return the text of one of the extension's own modules: it finds clapcap's in `lib`, its siblings beside it."""
    text = re.sub(r"^(\s*)from blender\.addon\.", r"\1from .", text, flags=re.MULTILINE)
    packages = "|".join(PACKAGES)
    return re.sub(rf"^(\s*)from ({packages})(\.|\s)", r"\1from .lib.\2\3", text, flags=re.MULTILINE)


if __name__ == "__main__":
    print(build_addon(Path(sys.argv[1] if len(sys.argv) > 1 else "build/clapcap-addon.zip")))
