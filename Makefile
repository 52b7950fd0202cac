# `make demo` and `make test` do everything, set-up included. Everything is built in .venv.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := dev
# The first Python that clapcap runs on; `make PYTHON=...` overrides.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.10 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo $$p && break; done)

.PHONY: demo test lint bench docs example constraints wheel-test test-blender addon clean

# Blenders that the export is tested with besides the one of the extra `blender`.
BLENDERS := 4.5.15 5.0.1

demo: $(VENV)/.ready
	$(BIN)/clapcap demo demo

test: $(VENV)/.ready-dev
	$(BIN)/pytest

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.ready-dev
	for name in calibration calibration_synthetic triangulation; do $(BIN)/python -m benchmarks.$$name || exit 1; done

docs: $(VENV)/.ready-dev
	$(BIN)/pytest tests/end_to_end/test_docs.py

# Render the embedded example again (needs the extra `blender`; an hour on two cores).
example: $(VENV)/.ready-dev
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[blender]"
	$(BIN)/python -m blender.example session/example

# A wheel, installed in an empty environment, runs the demo, and lifts one camera: so all that they need ships in it.
wheel-test: $(VENV)/.ready-dev
	rm -rf build/wheel && mkdir -p build/wheel
	$(BIN)/python -m build --wheel --outdir build/wheel . >build/wheel/build.log || (cat build/wheel/build.log; exit 1)
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/bin/python -m pip install --quiet -c constraints.txt build/wheel/clapcap-*.whl
	cd build/wheel && venv/bin/clapcap demo demo
	cd build/wheel && venv/bin/clapcap single demo/takes/dance/cam1.mp4 -o one-camera --height 1.76

# What is exported, opened in other Blenders: each in an environment of its own, with clapcap's libraries behind it.
test-blender: $(VENV)/.ready-dev
	for version in $(BLENDERS); do \
		home=build/bpy-$$version; \
		test -x $$home/bin/python || $(BIN)/python -m venv $$home || exit 1; \
		$$home/bin/python -m pip install --quiet bpy==$$version "numpy<2" || exit 1; \
		site=$$($$home/bin/python -c 'import site; print(site.getsitepackages()[0])'); \
		$(BIN)/python -c 'import site; print(site.getsitepackages()[0])' >$$site/zz_clapcap.pth; \
		CLAPCAP_BLENDER_PYTHON=$(CURDIR)/$$home/bin/python $(BIN)/pytest -q tests/blender/test_export.py tests/blender/test_addon.py || exit 1; \
	done

# The Blender extension: in Blender, Preferences > Get Extensions > Install from Disk.
addon: $(VENV)/.ready
	$(BIN)/python -m blender.addon_zip build/clapcap-addon.zip

constraints:
	$(PYTHON) -m venv build/uv && build/uv/bin/pip install --quiet uv
	(head -1 constraints.txt; build/uv/bin/uv pip compile --quiet --universal --python-version 3.10 --all-extras \
		--no-header --no-annotate --no-emit-index-url pyproject.toml) > build/constraints.txt
	mv build/constraints.txt constraints.txt

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "clapcap needs Python 3.10, 3.11 or 3.12, and none was found: install one, or name \
	it: make PYTHON=/path/to/python3.11 demo"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# OpenCV needs two system libraries that bare servers lack: install them where that is possible, else say how.
$(VENV)/.ready: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@$(BIN)/python -c 'import cv2' 2>/dev/null || { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] \
		&& apt-get -qq update && apt-get -qq install -y libgl1 libglib2.0-0 >/dev/null; }; \
		$(BIN)/python -c 'import cv2' || { echo "OpenCV lacks system libraries. On Debian and Ubuntu: \
	sudo apt-get install libgl1 libglib2.0-0"; exit 1; }
	touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS)]"
	touch $@

clean:
	rm -rf build dist .venv
