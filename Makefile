# Every target does its own set-up. Needs make, a C compiler for torch.compile, and Python 3.11 or later.
# Another interpreter: make test PYTHON=/path/to/python3.12

PYTHON  ?= python3
WORKERS ?= 2

ENV    := .venv
PY     := $(ENV)/bin/python
READY  := $(ENV)/.ready
PEERS  := .venv-peers

# One thread a worker: on nets this small, more threads only wait for each other.
ONE_THREAD := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
PYTEST     := $(ONE_THREAD) $(PY) -m pytest -n $(WORKERS) --dist worksteal

.PHONY: help demo test test-all lint format docs bench clean distclean
.DELETE_ON_ERROR:

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY)  ## learn handwritten digits in two minutes, without a download
	$(ENV)/bin/rheon fit digits --out digits.rheon --overwrite

test: $(READY)  ## the fast tests and the examples in the docstrings
	$(PYTEST) -m "not slow"

test-all: $(READY)  ## all tests
	$(PYTEST)

lint: $(READY)  ## style, format and types
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

format: $(READY)  ## repair style and format where that can be done alone
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

docs: $(READY)  ## build the documents in docs/_build/html; their code runs, and a warning is an error
	$(ONE_THREAD) $(PY) -m sphinx -q -W --keep-going -b html docs docs/_build/html
	$(PY) docs/complete.py docs/_build/html

bench: $(PEERS)/.ready  ## time rheon beside other flow libraries
	$(ONE_THREAD) $(PEERS)/bin/python -m benchmarks

clean:  ## remove what runs have left
	rm -rf digits.rheon build dist docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find rheon tests benchmarks -name __pycache__ -type d -exec rm -rf {} + 2>/dev/null || true

distclean: clean  ## remove the environments too
	rm -rf $(ENV) $(PEERS)

$(READY): GROUP := dev
$(PEERS)/.ready: GROUP := peers

# pip comes first: the one that Python brings may be too old to know --group.
%/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'rheon needs Python 3.11 or later: make PYTHON=/path/to/python3.12 …' >&2; exit 1; }
	test -x $*/bin/python || $(PYTHON) -m venv $*
	$*/bin/python -m pip install --quiet --constraint constraints.txt pip
	$*/bin/python -m pip install --constraint constraints.txt --build-constraint constraints.txt \
	  --editable . --group $(GROUP)
	@touch $@
