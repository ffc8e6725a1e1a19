# make demo   set up, then train a KDSR student on photos that come with the packages (minutes on a CPU)
# make test   set up, then run the tests
# make lint   check style        make format   apply it
# make faults break things: kills, bombs, hostile files (minutes)
# make docs   build the documentation into site/
# make clean  remove what these commands made, except your trainings in runs/

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: help demo test lint format faults docs clean

help:
	@sed -n 's/^# //p' Makefile

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) torch
	$(INSTALL) --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(INSTALL) --editable ".[dev]"
	touch $@

demo: $(VENV)/.installed
	$(BIN)/python -m realsr_mod.train experiment=kdsr_student

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2

faults: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 -m fault tests/faults

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "open site/index.html, or see it while you write: $(BIN)/mkdocs serve"

clean:
	rm -rf $(VENV) build dist site src/*.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
