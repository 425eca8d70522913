# Everything a fresh machine needs: Python 3.11+ and make. `make run` and `make test` set themselves up.
PYTHON ?= python3
VENV   := .venv
READY  := $(VENV)/.ready
.DEFAULT_GOAL := help

.PHONY: help setup run test soak measure client bench lint format clean
MINUTES ?= 30

help: ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY) ## make the virtual environment

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "monoq needs Python 3.11 or later; set PYTHON=python3.11" >&2; exit 2; }
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: $(READY) ## API, worker and dashboard on embedded engines, until Ctrl-C (PORT, MONOQ_HOST)
	@exec $(VENV)/bin/monoq serve

test: $(READY) ## all tests but the soak, on real engines, several at once (ARGS="-k redis")
	@$(VENV)/bin/python tests/run.py $(ARGS)

soak: $(READY) ## the long forms of tests, then a long run under kills, freezes and wipes (MINUTES=30 SEED=1)
	@$(VENV)/bin/python -m pytest -m soak
	@cd tests && ../$(VENV)/bin/python -m faults.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

measure: $(READY) ## how long rescues and outages take (a few minutes; run nothing beside it)
	@cd tests && ../$(VENV)/bin/python -m faults.measure

client: $(READY) ## make the types of clients/typescript anew, and check them (needs npm)
	@$(VENV)/bin/python -m monoq openapi > clients/typescript/openapi.json
	@cd clients/typescript && npm ci --ignore-scripts --no-audit --no-fund && npm run generate && npm run check

bench: $(READY) ## how fast this machine is (run nothing beside it)
	@$(VENV)/bin/monoq bench

lint: $(READY) ## style, types, import contracts, container files
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(VENV)/bin/hadolint docker/Dockerfile
	@$(VENV)/bin/yamllint -s -d '{extends: relaxed, rules: {line-length: {max: 140}}}' docker-compose.yml
	@if docker compose version >/dev/null 2>&1; then docker compose --env-file .env.example config --quiet; \
	 else echo "docker-compose.yml: not checked by docker compose, which is not installed"; fi

format: $(READY) ## format the code
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

clean: ## remove the environment and caches; the data in .monoq stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
