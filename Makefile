# make demo: set up everything and run the main job.   make test: set up everything and pass the tests.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
UV := $(VENV)/bin/uv
RUN := $(UV) run --frozen --no-sync
READY := $(VENV)/.ready
export UV_PROJECT_ENVIRONMENT := $(VENV)

.PHONY: help setup demo test check protos models demo-assets bench clean

help: ## Show the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## Create .venv with everything the project needs

$(UV):
	@bash image-build/host-packages.sh $(PYTHON)
	@echo "Creating $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check "uv>=0.9,<1"

$(READY): $(UV) pyproject.toml uv.lock
	@echo "Installing from uv.lock ..."
	@$(UV) sync --frozen --quiet --inexact
	@touch $@

demo: $(READY) ## Run the main job: register people, serve arrivals, lose the uplink, check the records
	@$(RUN) aidpost demo $(ARGS)

test: check $(READY) ## Run the checks and all tests
	@$(RUN) pytest $(ARGS)

check: $(READY) ## Lint, types, walls, protocol, generated code
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy
	@$(RUN) lint-imports
	@$(RUN) buf lint
	@$(RUN) python -m protos.generate --check

protos: $(READY) ## Generate the code beside the .proto files anew
	@$(RUN) python -m protos.generate

bench: $(READY) ## Measure stage times and memory
	@$(RUN) aidpost bench $(ARGS)

clean: ## Remove what the build made
	@rm -rf $(VENV) .venv-* .mypy_cache .ruff_cache .pytest_cache out
