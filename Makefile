# Everything happens in .venv, which nothing but this file touches. `make` alone lists the targets.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PYTEST := $(BIN)/python -m pytest

.PHONY: help demo test test-all bench golden clean
.NOTPARALLEL:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

demo: .venv/live ## search rooms across tasks, report it in demo/, and train what was found
	$(BIN)/nasbench study rooms \
	    --runners random_search,regularized_evolution,local_search \
	    --seeds 100 --queries 100 --out demo
	$(BIN)/nasbench report demo
	$(BIN)/nasbench train rooms/cell/class_object --study demo --out demo/class_object.png

test: ## check style and types, and run the tests
test: SELECT := -m "not slow"
test-all: ## the same, with the tests that take minutes
test test-all: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(PYTEST) $(SELECT) -n 2 --dist worksteal

bench: .venv/test ## measure speed
	$(PYTEST) tests/speed --benchmark-only --benchmark-sort=name \
	    --benchmark-columns=min,median,iqr,ops,rounds

golden: .venv/test ## write the golden files anew (on purpose only)
	$(BIN)/python -m tests.golden

clean: ## remove .venv, demo/, caches and what building left
	rm -rf .venv build demo dist *.egg-info
	rm -rf .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "nasbench needs Python 3.11 or newer, and '$(PYTHON)' isn't:" \
	        "name another with 'make PYTHON=python3.12 ...'" >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv
	@touch $@

# One stamp for each extra: both go into the same environment, where the one doesn't undo the other.
.venv/live .venv/test: pyproject.toml constraints.txt | .venv/made
	@echo "installing nasbench[$(@F)] into .venv"
	@$(INSTALL) -e '.[$(@F)]'
	@touch $@
