# Two commands from a fresh checkout: `make demo` and `make test`. Both set up all they need first.

BIN := .venv/bin
# Three workers on two cores: the long tests wait for the provider's polls half of their time. Tests that share something
# costly (a lab, a booted guest, one journey) stay together on one.
WORKERS ?= 3
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder
# What `make test-fast` leaves out: everything that starts a process or takes its time.
FAST := not (terraform or guestfs or boot or lab or node or process or thorough or slow)

# Compiled files, pytest's too, have a place of their own, whatever the environment says: the tests start hundreds of
# processes, each of which would compile everything again.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(CURDIR)/.cache/pycache
# As runner/terraform/project.py: the tests that call Terraform and cdktf themselves save as much.
export GOGC ?= 400

.PHONY: setup demo test test-fast test-all bench fuzz guests-page lint lock clean

setup:
	@.ci/setup

demo: setup
	$(BIN)/hotadd demo

test: setup
	$(PYTEST) -m "not slow"

# Nothing here waits, so a third worker only costs its start.
test-fast: WORKERS = 2
test-fast: setup
	$(PYTEST) -m "$(FAST)"

test-all: setup
	$(PYTEST)

bench: setup
	$(BIN)/python benchmarks/synth.py
	PYTHONPATH=. $(BIN)/python benchmarks/plan.py
	$(BIN)/python benchmarks/blocks
	PYTHONPATH=. $(BIN)/python benchmarks/own_time.py
	PYTHONPATH=. $(BIN)/python benchmarks/report.py
	PYTHONPATH=. $(BIN)/python benchmarks/conversion.py

# The readers of images that nobody vouches for, a minute in all; what fails is kept in tests/runner/blocks/crashes.
fuzz: setup
	PYTHONPATH=. $(BIN)/python tests/fuzz/run.py --seconds 60

# The tables of docs/guests.md, from the support matrix.
guests-page: setup
	$(BIN)/python -m runner.guest.support_page docs/guests.md

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Needs uv, which is no part of what hotadd runs on: it is installed apart.
lock: setup
	$(BIN)/python -m pip install -q --target .cache/uv uv==0.13.9
	.cache/uv/bin/uv pip compile -q --python /usr/bin/python3 --generate-hashes --all-extras --no-emit-index-url \
		--no-emit-find-links --custom-compile-command "make lock" pyproject.toml -o requirements.lock
	echo 'checkov==3.3.30' | .cache/uv/bin/uv pip compile -q --python /usr/bin/python3 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --custom-compile-command "make lock" - -o checkov.lock

clean:
	rm -rf .venv .cache node_modules build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache \
		.hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
