# Everything here runs as README says it; .ci/run calls nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help install run test test-all lint format lock clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.installed  ## .venv with the locked dependencies

# Compiled here, since a start may have to do without where Python is told to write no such files.
$(VENV)/.installed: requirements.lock pyproject.toml
	@deploy/system-packages python "$(PYTHON)"
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q bridge exporters remedy
	@touch $@

run: install  ## break a sample service and watch it being healed
	@deploy/system-packages prometheus || true
	@$(BIN)/remedy demo

# Tests mostly wait for real processes; the slow ones take the machine for themselves.
SIDE_BY_SIDE := -n 4 --dist loadfile

test: install  ## the tests, under 6 minutes
	@deploy/system-packages prometheus test
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

test-all: install  ## fault drills, containers and browsers as well
	@deploy/system-packages prometheus test drills
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)
	$(BIN)/python -m pytest -m slow

lint: install  ## ruff (format and lint), mypy strict
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: install  ## let ruff rewrite
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

COMPILE := uv pip compile --universal --python-version 3.11 --all-extras --generate-hashes \
	--no-emit-index-url --no-header --no-annotate --upgrade -q

lock:  ## write both locks anew: the developers' and, with the same versions, the container image's (needs uv)
	$(COMPILE) --group dev -o requirements.lock pyproject.toml
	$(COMPILE) --group build -c requirements.lock -o requirements-image.lock pyproject.toml

clean:  ## remove what was made here
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
