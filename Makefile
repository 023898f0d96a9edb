# `make demo` and `make test` set everything up themselves; they need Python 3.11 or later, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check snapshots bench clean
.DEFAULT_GOAL := help

help:  ## Show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=python3.12 …"; exit 3; }
	@echo "setting up $(VENV): a few minutes on the first run"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev]'
	@touch $@

demo: $(STAMP)  ## Train, fuse, quantize and ask a real small model, from nothing
	$(BIN)/web4mlx run configs/demo.toml

test: $(STAMP)  ## Run the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(STAMP)  ## Lint, types, import directions: what CI runs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

snapshots: $(STAMP)  ## Write the dashboard's snapshots anew; look at `git diff tests/snapshots` afterwards
	RENEW_SNAPSHOTS=1 $(BIN)/python -m pytest $(or $(TESTS),tests/functional) -k "$(or $(ONLY),snapshot)"

bench: $(STAMP)  ## Compare the training loop with mlx-lm's on the same samples
	$(BIN)/python benchmarks/train_vs_mlx_lm.py --quick \
	  --out outputs/benchmarks/train_vs_mlx_lm.json --plot outputs/benchmarks/train_vs_mlx_lm.svg

clean:  ## Remove the environment and the demo's outputs
	rm -rf $(VENV) outputs/demo data/demo
