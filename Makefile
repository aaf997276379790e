# What can be done here: `make` or `make help` lists it.

PYTHON ?= python3
# So many test processes at once: the tests wait more than they work.
AT_ONCE ?= 4
BIN := .venv/bin
STAMP := .venv/.installed
DEV_STAMP := .venv/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help run demo test check bench format words clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

$(BIN)/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --quiet --upgrade pip

$(STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --quiet --editable .
	@touch $@

$(DEV_STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --quiet --editable '.[dev]'
	@touch $@ $(STAMP)

run: $(STAMP) ## Run an instance with starter content at http://localhost:8000
	$(BIN)/folkmoot run

demo: $(STAMP) ## Run three linked instances, a hub and two cities, filled with samples
	$(BIN)/folkmoot demo

test: $(DEV_STAMP) ## Run all tests (some ten minutes at most)
	$(BIN)/python -m pytest -n $(AT_ONCE) --dist worksteal

check: $(DEV_STAMP) ## Lint, format, types, import contracts, and all tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n $(AT_ONCE) --dist worksteal

bench: $(DEV_STAMP) ## Measure against references in the same run
	$(BIN)/python -m tests.bench

format: $(DEV_STAMP) ## Format the code
	$(BIN)/ruff check --fix --quiet
	$(BIN)/ruff format --quiet

words: $(STAMP) ## Bring the catalogs in web/locale up to date with the words in the code
	cd web && ../$(BIN)/pybabel -q extract -F locale/babel.cfg --omit-header --no-location --sort-output -o ../$(BIN)/words.pot .
	$(BIN)/pybabel -q update -i $(BIN)/words.pot -d web/locale --omit-header --no-fuzzy-matching --ignore-obsolete -w 120
	rm $(BIN)/words.pot

clean: ## Remove what can be made again (never the data)
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info tests/interop/member/node_modules
