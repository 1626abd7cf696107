# Every target makes its own environment first: nothing but Python 3.12 or newer and make is needed.
.DEFAULT_GOAL := help
.PHONY: help run test check fmt bench lock model clean

PY := .venv/bin/python
# Everything here is started again and again: where the machine says that no bytecode is to be kept, each process would compile all that it
# imports, which takes four times as long as importing it.
unexport PYTHONDONTWRITEBYTECODE

BENCH := deploy calls gateway dtma logs fleet catalog pages chat

help: ## Show what can be made
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

run: ## Start Agentopia (PORT=8000, AGENTOPIA_HOME=var)
	@exec deploy/agentopia run

test: ## Run all tests against real PostgreSQL, Redis, Docker and Chromium (ARGS="tests/dtma -k name")
	@exec deploy/agentopia test $(ARGS)

check: ## Lint, types, import rules, migrations, templates, links, locks
	@deploy/agentopia env
	@exec $(PY) -m deploy.checks

fmt: ## Format the code and mend what can be mended
	@deploy/agentopia env
	@$(PY) -m ruff check --fix --quiet . ; $(PY) -m ruff format .

bench: ## Measure a fresh Agentopia (BENCH=calls for one of them; dtma and logs measure DTMA alone)
	@deploy/agentopia env
	@for name in $(BENCH); do $(PY) -m bench.$$name $(ARGS) || exit 1; done

lock: ## Make the locks anew from pyproject.toml (ARGS=--upgrade for the newest versions)
	@deploy/agentopia env
	@exec $(PY) -m deploy.checks.locks --write $(ARGS)

model: ## Install the embedded model, an optional extra (1.1 GB): the chat talks without any key
	@deploy/agentopia env
	@exec $(PY) -m deploy.model.install

clean: ## Remove the environment and caches; var/, your data, stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
