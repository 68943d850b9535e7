# Try it: make demo.  Prove it: make test.  Both need Python 3.11 or newer, and make their own .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Twice quiet: errors only. Advice about indexes and versions is not what a newcomer came for.
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
# What users read about: the package, and the modules whose names they use.
REFERENCE := ibkr_core ibkr_core.orderengine ibkr_core.reference ibkr_core.model.events \
    ibkr_core.model.conditions ibkr_core.model.algos ibkr_core.risk ibkr_core.portfolio \
    ibkr_core.logs ibkr_core.summary ibkr_core.journal ibkr_core.gateway
SOURCES := setup.cfg pyproject.toml ibkr_core/_version.py

# A python that was asked for by name is the only one tried.
PYTHONS := $(if $(filter file,$(origin PYTHON)),$(PYTHON) python3.13 python3.12 python3.11,$(PYTHON))
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))

# The system's Python may be upgraded away from under an environment that was made with it.
GONE := $(shell test -x $(BIN)/python || echo gone)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: gone help demo test lint format types simulate matrix interop compiled bench reference clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile
	@echo '  make test ARGS="-k bracket" hands ARGS on; demo, matrix, interop and lint take it too'

demo: $(VENV)/.installed ## watch orders travel through a simulated IB Gateway and back
	@$(BIN)/ibkr-core demo $(ARGS)

test: $(VENV)/.installed-dev ## run every test
	@$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.installed-dev ## check style and formatting
	@$(BIN)/ruff check $(ARGS) .
	@$(BIN)/ruff format --check .

format: $(VENV)/.installed-dev ## mend what ruff can mend by itself
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

types: $(VENV)/.installed-dev ## check the types
	@$(BIN)/mypy

matrix: $(VENV)/.installed-dev ## run the tests that touch ibapi with each supported ibapi
	@$(BIN)/nox --session matrix $(ARGS)

interop: $(VENV)/.installed-dev ## let unchanged clients of others trade on our gateway
	@$(BIN)/nox --session interop $(ARGS)

compiled: $(VENV)/.installed-dev ## compile the busiest modules aside, and test the engine on them
	@$(BIN)/nox --session compiled $(ARGS)

simulate: $(VENV)/.installed-dev ## play 200 fresh lives of the engine against a nasty gateway
	@$(BIN)/python -m ibkr_core.testing.simulate $(ARGS)

bench: $(VENV)/.installed-bench ## measure against the peers: make bench ARGS="throughput --quick"
	@$(BIN)/python -m benchmarks $(ARGS)

reference: $(VENV)/.installed-dev ## write the API reference to build/reference/index.html
	@$(BIN)/python -m pdoc --docformat google --output-directory build/reference $(REFERENCE)
	@echo "Open build/reference/index.html"

clean: ## remove all that these commands made
	@rm -rf $(VENV) .nox .bench build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find ibkr_core tests benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# An environment whose making was interrupted has no pip yet: make it again.
define VENV_READY
	@$(BIN)/python -m pip --version >/dev/null 2>&1 && exit 0; \
	for python in $(PYTHONS); do \
	    "$$python" -c '$(NEW_ENOUGH)' >/dev/null 2>&1 || continue; \
	    echo "Making $(VENV) with $$("$$python" --version)"; \
	    "$$python" -m venv --clear $(VENV) && exit 0; \
	    echo "error: $$python cannot make an environment; on Debian and Ubuntu: apt install python3-venv" >&2; \
	    exit 1; \
	done; \
	echo "error: this needs Python 3.11 or newer; tried $(PYTHONS). Yours: make PYTHON=/path/to/python3" >&2; \
	exit 1
endef

$(VENV)/.installed: $(SOURCES) $(GONE)
	$(VENV_READY)
	@echo "Installing ibkr-core and what it needs into $(VENV)"
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.installed-dev: $(SOURCES) $(GONE)
	$(VENV_READY)
	@echo "Installing ibkr-core and its development tools into $(VENV)"
	@$(PIP) install --editable '.[dev]'
	@touch $(VENV)/.installed $@

$(VENV)/.installed-bench: $(VENV)/.installed-dev
	@echo "Installing what plots and microbenchmarks need into $(VENV)"
	@$(PIP) install --editable '.[bench]'
	@touch $@

gone:
