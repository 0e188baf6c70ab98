# `make demo` and `make test` need python3 (3.11 or newer), make and a package index; nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ONCE ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast lint types check all format hooks install install-dev clean

help: ## show this list
	@echo "make demo     watch a learner log in, connect, log out; then serve until Ctrl-C"
	@echo "make demo ONCE=1   the same, ending after the story; its exit status tells how it went"
	@echo "make test     the whole test suite, from nothing"
	@echo "make test-fast   the tests that start no process: half a minute, for the daily round"
	@echo "make lint     ruff, the import contract and the migrations check"
	@echo "make types    mypy"
	@echo "make check    lint, types and the whole suite"
	@echo "make all      every session of nox: all Pythons, Djangos and databases, the package"
	@echo "make format   let ruff format the code"
	@echo "make hooks    let git check each commit (pre-commit)"
	@echo "make clean    remove the virtual environments and what tools left behind"

demo: $(VENV)/.installed
	@$(BIN)/python -m lms_site.demo $(if $(filter-out 0 no,$(ONCE)),--once)

test: install-dev
	@echo "5 to 7 minutes on two idle cores; make test-fast takes half a minute."
	@$(BIN)/python -m pytest -n auto --dist loadgroup --cov --cov-report=term

test-fast: install-dev
	@$(BIN)/python -m pytest -q -rfE -n auto --dist loadgroup --no-processes

install: $(VENV)/.installed

install-dev: $(VENV)/.installed-dev

lint: install-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@DJANGO_DEBUG=1 CONVAI_API_KEY=unused $(BIN)/python manage.py makemigrations --check --dry-run

types: install-dev
	@$(BIN)/mypy

check: lint types test

all: install-dev
	@$(BIN)/nox

format: install-dev
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

hooks: install-dev
	@$(BIN)/pre-commit install

clean:
	rm -rf $(VENV) .nox .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis htmlcov .coverage .coverage.*
	rm -rf build dist *.egg-info

# Stamps: each is made once, and again when the requirements change.

$(VENV)/.made:
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "There is no $(PYTHON) here. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3 ..."; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is $$("$(PYTHON)" --version 2>&1); Python 3.11 or newer is needed. Name one: make PYTHON=/path/to/python3 ..."; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) lacks the venv module. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Making a virtual environment in $(VENV) ..."
	@"$(PYTHON)" -m venv $(VENV)
	@touch $@

$(VENV)/.installed: requirements.txt | $(VENV)/.made
	@echo "Installing what the site needs ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

# After the other one, so that two pips never run at once.
$(VENV)/.installed-dev: requirements-dev.txt requirements-engines.txt requirements-stacks.txt requirements-axe.txt $(VENV)/.installed
	@echo "Installing what the tests need ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-axe.txt
	@touch $@
