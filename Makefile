# Every target does all of its own set-up in .venv, once; `make setup` is that step alone.
.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-done
DISTRIBUTIONS := -e ./core -e ./plugins/text -e ./plugins/image -e ./plugins/audio -e '.[dev]'
BENCHMARKS := startup text loss_for_cost images drawings audio notes planted_text planted_harm planted_images planted_audio \
	dedup_text images_speed audio_speed preparation training_speed training_memory checkpoints loop_overhead processes \
	finetune omni
INPUTS := constraints.txt core/weft/_version.py $(wildcard pyproject.toml core/pyproject.toml plugins/*/pyproject.toml)

# The first Python that works and is new enough: a shim of a version manager may be there and yet not run.
FIND_PYTHON = for python in $(PYTHON) python3 python3.12 python3.11 python3.13; do \
	if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
	then echo $$python; break; fi; done

.PHONY: help setup demo test check bench docs constraints format

help:  ## This list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: $(STAMP)  ## Create .venv and install everything at the versions of constraints.txt

$(STAMP): $(INPUTS)
	@python="$$($(FIND_PYTHON))"; \
	if [ -z "$$python" ] && [ ! -x $(BIN)/python ]; then \
		echo "Weft needs Python 3.11, 3.12 or 3.13; none was found (name one: make setup PYTHON=...)" >&2; exit 1; fi; \
	set -e; \
	if command -v uv >/dev/null 2>&1; then \
		[ -x $(BIN)/python ] || uv venv --quiet --seed --python "$$python" $(VENV); \
		uv pip install --quiet --python $(BIN)/python -c constraints.txt $(DISTRIBUTIONS); \
	else \
		[ -x $(BIN)/python ] || "$$python" -m venv $(VENV); \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(DISTRIBUTIONS); \
	fi; \
	touch $(STAMP)

demo: $(STAMP)  ## Prepare, train and generate text, images and audio; then open demo/index.html
	$(BIN)/weft demo --out demo --force

test: $(STAMP)  ## The whole test suite, slow tests included
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -q

check: $(STAMP)  ## ruff, mypy and import-linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(STAMP)  ## Every benchmark, one after the other, beside peers that it installs
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@set -e; for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py; done

docs: $(STAMP)  ## Write docs/reference.md from the commands and options themselves
	$(BIN)/python docs/write_reference.py

format: $(STAMP)  ## Let ruff format the code and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# torchaudio is no longer released together with torch, and 2.11.0 is the last version that all three share.
TORCH := torch==2.11.0 torchvision==0.26.0 torchaudio==2.11.0

constraints:  ## Write constraints.txt anew; needs uv
	printf '%s\n' ./core ./plugins/text ./plugins/image ./plugins/audio '.[dev]' $(TORCH) | \
	uv pip compile - --universal --python-version 3.11 --upgrade --no-header --no-annotate --quiet \
		$(foreach name,weft weft-core weft-text weft-image weft-audio,--no-emit-package $(name)) \
		--output-file constraints.txt
