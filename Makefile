# powerdesk: `make run` and `make test` set everything up on a machine that has python3 >= 3.11 and make.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# An exported PYTHONDONTWRITEBYTECODE would make every start compile the whole environment again.
unexport PYTHONDONTWRITEBYTECODE
unexport VIRTUAL_ENV
export GX_ANALYTICS_ENABLED := false
export AIRFLOW__CORE__LOAD_EXAMPLES := false
export UV_PROJECT_ENVIRONMENT := .venv

PYTHON ?= python3
TOOLS := .tools
UV := $(shell command -v uv 2>/dev/null || echo $(TOOLS)/bin/uv)
DESK := .venv/bin/desk
MARKET ?= twin
SOURCE ?= twin
DATE ?= 2026-06-15
PYTEST := .venv/bin/pytest

.PHONY: help
help: ## Show the targets
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | awk 'BEGIN {FS = ":.*?## "} {printf "  %-12s %s\n", $$1, $$2}'

$(TOOLS)/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "powerdesk needs python3 >= 3.11, found " + sys.version.split()[0])'
	@$(PYTHON) -m venv $(TOOLS) 2>/dev/null || { echo "python3 has no working venv module: install it (Debian: apt-get install python3-venv) or put uv on PATH"; exit 1; }
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check uv

.venv/.synced: pyproject.toml uv.lock | $(if $(findstring $(TOOLS),$(UV)),$(TOOLS)/bin/uv)
	@echo "powerdesk: installing the locked environment into .venv"
	@$(UV) sync --frozen --quiet
	@.venv/bin/python -c 'import ctypes.util, sys; sys.exit(0 if ctypes.util.find_library("gomp") else "the system library libgomp is missing (LightGBM needs it): Debian: apt-get install libgomp1")'
	@touch $@

.PHONY: setup
setup: .venv/.synced ## Install everything (uv through pip when uv is missing)

.PHONY: run
run: setup ## Run the nightly pipeline end to end (MARKET=, SOURCE=, DATE=)
	@$(DESK) run nightly --source $(SOURCE) --market $(MARKET) --date $(DATE)

# One worker more than two cores: workers wait for servers and child processes a fifth of their time.
.PHONY: test
test: setup ## Run the tests (fast subset of the fault tests)
	@$(PYTEST) -n 3 --dist loadfile -m "not slow" tests

.PHONY: test-all
test-all: setup ## Run all tests, the slow fault and browser tests too
	@$(PYTEST) tests

.PHONY: lint
lint: setup ## ruff, mypy, sqlfluff, import-linter, generated files up to date
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/sqlfluff lint --disable-progress-bar --processes 2 transforms/models sql
	@.venv/bin/lint-imports
	@$(DESK) gen --check

.PHONY: fmt
fmt: setup ## Format code and SQL
	@.venv/bin/ruff check --fix --quiet . || true
	@.venv/bin/ruff format .
	@.venv/bin/sqlfluff fix --disable-progress-bar --force transforms/models sql

.PHONY: gen
gen: setup ## Regenerate DDL, dbt contracts, GX suites and the data dictionary from the contracts
	@$(DESK) gen

.PHONY: up down status
up: setup ## Start ClickHouse and Airflow in the background
	@$(DESK) up
down: setup ## Stop them
	@$(DESK) down
status: setup ## Show what runs
	@$(DESK) status

.PHONY: scorecard bench docs
scorecard: setup ## Walk-forward scorecard of every model on every data set that is present
	@$(DESK) scorecard
bench: setup ## Speed and memory, beside a peer in the same run
	@$(DESK) bench
docs: setup ## Regenerate docs: data dictionary, scorecard page, data docs of the gates
	@$(DESK) gen
	@$(DESK) docs

.PHONY: new-model
new-model: setup ## Scaffold a model: make new-model NAME=my_model
	@test -n "$(NAME)" || { echo "say which: make new-model NAME=my_model"; exit 2; }
	@$(DESK) new-model $(NAME)

.PHONY: clean
clean: ## Stop everything and delete state (.desk), keep the environment
	@if [ -x $(DESK) ]; then $(DESK) down || true; fi
	@rm -rf .desk
