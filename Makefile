SHELL := /bin/bash
PYTHON := .venv/bin/python
MODE ?= native

.DEFAULT_GOAL := help
.PHONY: help bootstrap stack down status test check load lock

help: ## Show this help
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

bootstrap: ## Install what the project needs (Debian packages, Python packages)
	@./stack/bootstrap.sh

stack: bootstrap ## Start everything, and wait until it is ready
	@if [ "$(MODE)" != native ]; then echo "MODE=$(MODE) is not there yet; only MODE=native is." >&2; exit 2; fi
	@$(PYTHON) -m stack up

down: ## Stop everything; the data stays
	@$(PYTHON) -m stack down

status: ## Say how every part is; fails unless all is well
	@$(PYTHON) -m stack status

test: bootstrap ## Run the tests; they start and stop what they need
	@$(PYTHON) -m pytest

check: bootstrap ## Lint, types, imports, configuration checks
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache
	@.venv/bin/yamllint --strict alerts observability stack/templates
	@$(PYTHON) -m stack check-configs

load: ## Open-loop load on the running stack, with a verdict (RATE=800 DURATION=30)
	@$(PYTHON) -m loadtest run --profile steady $(if $(RATE),--rate $(RATE)) $(if $(DURATION),--duration $(DURATION))

lock: bootstrap ## Resolve the Python dependencies anew
	@.venv/bin/uv pip compile pyproject.toml --extra stack --extra dev --generate-hashes --no-emit-index-url --python-version 3.11 --universal -q -o requirements.lock
