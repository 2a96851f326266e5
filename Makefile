# make demo, make test: each sets up what it needs in .venv. Needs Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
RUN_READY := $(VENV)/run-ready
TEST_READY := $(VENV)/test-ready

.PHONY: help demo test lint format bench clean

help:
	@echo "make demo    package invented records and a folder, offline, and validate the packages"
	@echo "make test    linters, types, and all tests"
	@echo "make format  bring the code into shape"
	@echo "make bench   measure speed and memory; BENCH='--scale 0.1' does it smaller"
	@echo "make clean   remove all that was made, .venv too"

demo: $(RUN_READY)
	@$(BIN)/bic demo

test: lint
	$(BIN)/python -m pytest -n auto

lint: $(TEST_READY)
	$(BIN)/python -m black --check --quiet .
	$(BIN)/python -m isort --check-only --quiet .
	$(BIN)/python -m flake8
	$(BIN)/python -m mypy

format: $(TEST_READY)
	$(BIN)/python -m isort .
	$(BIN)/python -m black .

bench: $(TEST_READY)
	$(BIN)/python -m benchmarks --json benchmarks/out/bench.json $(BENCH)
	$(BIN)/python -m benchmarks.records
	$(BIN)/python -m benchmarks.batch_kills

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .hypothesis benchmarks/out
	find bagit_create tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Older versions of pip know no dependency groups.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "bic needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Python cannot make a virtual environment here. On Debian: apt install python3-venv"; \
	  exit 1; }
	@$(PIP) install --upgrade 'pip>=25.1' || { rm -rf $(VENV); exit 1; }

$(RUN_READY): pyproject.toml | $(BIN)/python
	$(PIP) install --editable .
	@touch $@

$(TEST_READY): pyproject.toml $(RUN_READY)
	$(PIP) install --group dev
	@touch $@
