# make demo   set up, then train a KDSR student on photos that come with the packages (minutes on a CPU)
# make test   set up, then run the tests
# make test-hydra  run the tests of configurations and trainings under the newest Hydra 1.4, laid over the environment's
#             own; what it calls deprecated is an error
# make lint   check style, imports and types        make format   apply the style
# make faults break things (kills, bombs, hostile files), run the notebooks anew (an hour)
# make docs   build the documentation into site/
# make clean  remove what these commands made, except your trainings in runs/

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
HYDRA_NEXT := $(CURDIR)/build/hydra-next
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: help demo test test-hydra lint format faults docs clean

help:
	@sed -n 's/^# //p' Makefile

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) torch
	$(INSTALL) --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(INSTALL) --editable ".[dev]"
	$(INSTALL) --no-deps "spandrel>=0.4.1,<0.5" "resselt>=1.4.1,<2"
	touch $@

demo: $(VENV)/.installed
	$(BIN)/python -m realsr_mod.train experiment=kdsr_student

## a third process fills the pauses of the other two: many tests wait for commands
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 3 --dist worksteal

test-hydra: $(VENV)/.installed-dev
	rm -rf $(HYDRA_NEXT)
	$(BIN)/python -m pip install --quiet --target $(HYDRA_NEXT) "hydra-core>=1.4.0rc3,<1.5"
	PYTHONPATH=$(HYDRA_NEXT) $(BIN)/python -c "import hydra; print('Hydra', hydra.__version__)"
	PYTHONPATH=$(HYDRA_NEXT) HYDRA_DEPRECATION_WARNINGS_AS_ERRORS=1 $(BIN)/python -m pytest -n 2 \
		tests/unit/test_configs.py tests/unit/runtime tests/integration/test_train.py

faults: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m fault

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "open site/index.html, or see it while you write: $(BIN)/mkdocs serve"

clean:
	rm -rf $(VENV) build dist site src/*.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
