# make demo   set up, then train a KDSR student on photos that come with the packages (minutes on a CPU)
# make test   set up, then run the tests
# make lint   check style        make format   apply it
# make clean  remove what these commands made, except your trainings in runs/

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := dev

.PHONY: help demo test lint format clean setup

help:
	@sed -n 's/^# //p' Makefile

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS)]"
	touch $@

demo: setup
	$(BIN)/python -m realsr_mod.train experiment=kdsr_student

test: setup
	$(BIN)/python -m pytest -n 2

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
