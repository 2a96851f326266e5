# Everything here runs in a virtual environment of its own, made on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
CODE := bagit_create tests benchmarks

.PHONY: demo test lint format bench clean

demo: $(READY)  ## set up, and package something of every source, offline
	$(BIN)/bic demo

test: $(READY_DEV) lint  ## the linters and the whole test suite
	$(BIN)/pytest -n auto

lint: $(READY_DEV)
	$(BIN)/black --check --quiet $(CODE)
	$(BIN)/isort --check-only --quiet $(CODE)
	$(BIN)/flake8 $(CODE)
	$(BIN)/mypy

format: $(READY_DEV)
	$(BIN)/isort --quiet $(CODE)
	$(BIN)/black --quiet $(CODE)

bench: $(READY_DEV)  ## speed and memory beside others; see benchmarks/README.md
	$(BIN)/python -m benchmarks

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..."; exit 3; }
	@$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "On Debian: apt install python3-venv"; exit 3; }
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'

$(READY): pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(READY_DEV): pyproject.toml $(READY)
	$(BIN)/pip install --quiet --group dev
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .hypothesis
