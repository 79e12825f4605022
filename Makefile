# `make demo` and `make test` set up everything by themselves in .venv; the second time they are quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo test test-all warm lint coverage clean

setup: $(READY)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; assert (3, 10) <= sys.version_info[:2] <= (3, 13)' 2>/dev/null || \
	  { echo "asr needs Python 3.10 to 3.13; run 'make PYTHON=python3.12 $(MAKECMDGOALS)'" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade pip
	$(BIN)/pip install -q -e '.[dev,digits,phones,server]'
	touch $(READY)

demo: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" bash recipes/digits/run.sh
	@echo "A recording of Common Voice with the English model that came along:"
	$(BIN)/asr transcribe recipes/english/sample.opus

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check -q .
	$(BIN)/mypy

# Two workers, each on one core; what both need is compiled before they start. `test-all` adds what takes minutes: torchrun,
# browsers, tools, killed processes.
WORKERS := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

warm: $(READY)
	@$(BIN)/python tests/helpers/tests_warm.py search & $(BIN)/python tests/helpers/tests_warm.py training && wait $$!

test: lint warm
	$(WORKERS)

test-all: lint warm
	$(WORKERS) -m 'not gpu'

coverage: $(READY)
	$(BIN)/pytest --cov=asr --cov-report=term-missing:skip-covered

clean:
	rm -rf $(VENV) exp data build dist *.egg-info
