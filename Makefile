# Needs Python 3.11 or newer, make and, for the first run, the network (or a pip that knows a mirror).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test lint bench mutate docs pictures dist

run: $(VENV)/.package
	@$(BIN)/python examples/tour.py

# The program is started a thousand times: compiled each time, it takes twice as long.
test: $(VENV)/.dev
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --numprocesses auto --dist worksteal

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	@$(BIN)/python -m benchmarks

# SAMPLE, SEED and JOBS say how many faults, which, and how many at a time.
mutate: $(VENV)/.mutate
	@$(BIN)/python -m benchmarks.mutation $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED)) \
		$(if $(JOBS),--jobs $(JOBS))

# Whatever Sphinx has to complain about is an error, links and anchors that lead nowhere among it.
docs: $(VENV)/.docs
	@$(BIN)/python -m docs.reference
	@$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --jobs auto -d build/doctrees docs build/site
	@echo "Read it: build/site/index.html"

pictures: $(VENV)/.dev
	@$(BIN)/python -m docs.pictures
	@PYTHONPATH=tests:. $(BIN)/python -m pictures build/pictures

# What is published: see docs/releasing.md.
dist: $(VENV)/.dev
	@rm -f dist/temp_file_manager-*
	@$(BIN)/python -m hatchling build -d dist
	@$(BIN)/python -m twine check --strict dist/temp_file_manager-*

# Two stamps, each older than pyproject.toml when there is something to install again: running the package
# needs none of the tools that develop it.
$(VENV)/.package: pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is no Python 3.11 or newer, which is needed: make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo "$(PYTHON) cannot make environments: install its venv (on Debian: apt install python3-venv)" >&2; exit 1; }
	@echo "Making $(VENV) and installing the package into it ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

# --group came with pip 25.1.
$(VENV)/.dev: $(VENV)/.package
	@echo "Installing what tests, checks and measures it ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable '.[all]' --group dev
	@touch $@

$(VENV)/.mutate: $(VENV)/.dev
	@echo "Installing what makes faults ..."
	@$(BIN)/python -m pip install --quiet --group mutate
	@touch $@

# The reference describes what works with other packages, too, for which those have to be there.
$(VENV)/.docs: $(VENV)/.package
	@echo "Installing what builds the documentation ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable '.[service]' --group docs
	@touch $@
