# Everything a developer does with firstline; works with GNU make 3.81 and newer.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
PYTHON_VERSION_IS_FINE := import sys; sys.exit(sys.version_info < (3, 11))

# Byte code is kept, even where the environment says otherwise: what starts again and again would
# compile all that it imports each time, which is an eighth of the time of the tests.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help install lock lint test chaos soak demo bench audit up down

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

install: $(INSTALLED) ## Make .venv with exactly the locked packages, and firstline itself

$(INSTALLED): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || \
		{ echo "firstline needs Python 3.11 or newer, and there is no $(PYTHON)." >&2; exit 1; }
	@$(PYTHON) -c '$(PYTHON_VERSION_IS_FINE)' || \
		{ echo "firstline needs Python 3.11 or newer, and $(PYTHON) is older: make PYTHON=python3.12 install" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make virtual environments: install python3-venv (Debian: apt-get install python3-venv)." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -c '$(PYTHON_VERSION_IS_FINE)' || \
		{ echo "The Python in .venv is older than 3.11: delete .venv and try again." >&2; exit 1; }
	@echo "Installing the locked packages into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lock: ## Write requirements.lock anew from pyproject.toml (needs uv)
	@command -v uv >/dev/null || \
		{ echo "make lock needs uv: install it (pip install uv)." >&2; exit 1; }
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
		--extra dev --output-file requirements.lock pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
		--constraints requirements.lock --output-file requirements-image.lock pyproject.toml

lint: install ## Check style, formatting, types and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

test: install lint ## Lint, then run every test against real servers
	@PYTHONHASHSEED=0 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

chaos: install ## Break what can break, and count what was lost or repeated; LONG=1 for ten minutes each
	@$(BIN)/python -m tests.chaos $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED)) \
		$(if $(LONG),--long) $(if $(REPORT),--report)

demo: install ## Watch a support desk at work, on servers that are gone afterwards
	@$(BIN)/firstline demo

bench: install ## Measure it all on this machine, side by side with others; QUICK=1 in 3 minutes
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick)

audit: ## Look for known faults in the locked packages (needs uv and the network)
	@command -v uvx >/dev/null || \
		{ echo "make audit needs uv: install it (pip install uv)." >&2; exit 1; }
	uvx pip-audit --strict --require-hashes --disable-pip --requirement requirements.lock

soak: install ## See for ten minutes, or SECONDS, that nothing grows that should not
	@$(BIN)/python -m tests.soak

# Docker where an engine answers, else servers of this user's own and a worker beside them.
up: ## Start Kafka, Postgres and a worker that stay
	@if docker info >/dev/null 2>&1; then docker compose up --detach --build --wait; \
	else $(MAKE) install && $(BIN)/firstline up --detach; fi

down: ## Stop them; their data stay
	@if docker info >/dev/null 2>&1; then docker compose down; \
	else $(BIN)/firstline down; fi
