# Every target does its own set-up: all that is needed is Python 3.11 or newer.
PYTHON ?= python3
TOOLS := .tools
VENV := .venv
STAMP := $(VENV)/.installed
# Two workers with a thread each: what two cores do best; a file stays on one worker, with its servers and its Ray, and
# files go out by name, or the long ones of a single test (chaos) would come last.
PYTEST = OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
UV := $(shell command -v uv 2>/dev/null || echo $(TOOLS)/bin/uv)

.PHONY: install demo test test-slow test-all chaos lint lock ui clean

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml | $(UV)
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; set PYTHON=/path/to/python3.11")'
	$(UV) venv --quiet --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV)
	$(UV) pip sync --quiet --python $(VENV)/bin/python --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(VENV)/bin/python --no-deps --editable .
	@touch $(STAMP)
	@echo "installed: $(VENV)/bin/unsam"

$(TOOLS)/bin/uv:
	@$(PYTHON) -m venv $(TOOLS) && $(TOOLS)/bin/pip install --quiet "uv>=0.8" \
	  || { rm -rf $(TOOLS); $(PYTHON) -m pip install --quiet --target $(TOOLS) "uv>=0.8"; } \
	  || { echo "uv could not be installed: give this Python pip or venv (Debian: apt install python3-venv), or install uv yourself" >&2; exit 1; }

demo: install
	$(VENV)/bin/unsam demo

ui: install
	$(VENV)/bin/unsam ui

lint: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

test: lint
	$(PYTEST) -m "not slow and not heavy"

test-slow: lint
	$(PYTEST) -m "not heavy"

test-all: lint
	$(PYTEST)

chaos: install
	$(VENV)/bin/python -m tests.chaos

lock: | $(UV)
	$(UV) pip compile --universal --generate-hashes --no-emit-index-url --extra dev --extra classes --extra postgres --extra s3 --quiet --output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) $(TOOLS) report
