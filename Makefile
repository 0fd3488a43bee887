# `make rehearsal` and `make test` do all the set-up themselves; neither needs root.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

# The first Python on PATH that the engines have wheels for.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$python && break; done)

# The lake that `make lab` opens: the rehearsal's where there is one, else one's own.
LAKE ?= $(if $(wildcard rehearsal/lake),rehearsal/lake,)

.PHONY: help install rehearsal test lab lint lock bench-lake bench-process bench-field bench-memory bench-binder bench-browser gallery clean
help:
	@echo "make rehearsal   both stages, end to end, on a lake of its own in rehearsal/"
	@echo "make test        the tests"
	@echo "make lab         JupyterLab on the landing notebook, with the lake running"
	@echo "make bench-lake  stage 1 against cp and Rucio's own clients (an hour; ARGS=--quick: minutes)"
	@echo "make bench-binder  Binder's scripts and both stages in a clean folder: seconds, memory (ARGS=--python=PATH: no install)"
	@echo "make bench-browser  the lake browser in chromium against 100,000 files: seconds to each answer (two minutes)"
	@echo "make gallery     the README's pictures, from the rehearsal's lake (needs chromium)"
	@echo "make bench-process  stage 2 against DP3, AOFlagger and WSClean (ARGS='--quick --dp3 PATH')"
	@echo "make bench-field  the image of the benchmark observation against its truth (12 GB, 40 minutes)"
	@echo "make bench-memory  stage 2 on 12 GB with two workers of 1 GB"
	@echo "make lint        formatting, types, spelling"
	@echo "make lock        resolve the dependencies anew (needs uv)"
	@echo "make clean       stop the rehearsal's lake; remove it and the environment"

rehearsal: $(READY)
	@$(BIN)/lofarlake rehearsal --output rehearsal

test: $(READY)
	$(BIN)/python -m pytest $(ARGS)

bench-lake: $(READY)
	@$(BIN)/python -m benchmarks.lake $(ARGS)

bench-binder: $(READY)
	@$(BIN)/python -m benchmarks.binder $(ARGS)

bench-browser: $(READY)
	@$(BIN)/python -m benchmarks.browser $(ARGS)

gallery: $(READY)
	@$(BIN)/python docs/gallery.py $(or $(LAKE),$(error make rehearsal first: its lake is what the pictures show))

bench-process: $(READY)
	@$(BIN)/python -m benchmarks.process $(ARGS)

bench-field: $(READY)
	@$(BIN)/python -m benchmarks.field $(ARGS)

bench-memory: $(READY)
	@$(BIN)/python -m benchmarks.memory $(ARGS)

lab: $(READY)
	@$(BIN)/lofarlake lab $(if $(LAKE),--home $(LAKE),)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/nbstripout --verify notebooks/*.ipynb

install: $(READY)

$(READY): requirements.lock pyproject.toml
	@[ "$$(uname -sm)" = "Linux x86_64" ] || \
		{ echo "lofarlake needs Linux on x86-64 (the LOFAR engines have wheels for no other); this is $$(uname -sm)"; exit 1; }
	@[ -n "$(PYTHON)" ] || { echo "lofarlake needs Python 3.11, 3.12 or 3.13 on PATH (or: make PYTHON=/path/to/python3.12)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "lofarlake needs Python's venv module, which $(PYTHON) lacks (on Debian and Ubuntu: apt install python3-venv)"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing what requirements.lock names into $(VENV) (about two minutes, 2 GB) ..."
	@$(INSTALL) --require-hashes --use-pep517 -r requirements.lock
	@$(INSTALL) --no-build-isolation -e .
	@$(BIN)/python -m lofarlake_nb.processing.kernels
	@touch $@

# rucio-jupyterlab asks for notebook<7, which it never imports and which is broken on Python 3.12.
lock:
	echo 'notebook>=7' > $(VENV)/override.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
		--override $(VENV)/override.txt pyproject.toml --group dev -o requirements.lock

clean:
	[ ! -d rehearsal/lake ] || $(BIN)/lofarlake lake reset --yes --home rehearsal/lake
	rm -rf rehearsal $(VENV)
