PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install demo test test-all fast all lint bench fuzz audit clean

# The stamp files record what is installed, so that later calls start at once.
$(VENV)/agents.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[agents]'
	touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/agents.stamp

$(VENV)/bench.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[bench]'
	touch $@ $(VENV)/agents.stamp

install: $(VENV)/dev.stamp

demo: $(VENV)/agents.stamp
	$(BIN)/matenv demo

# Lint takes one core for a while: it runs beside the tests.
test: $(VENV)/dev.stamp
	$(MAKE) --no-print-directory -j2 lint fast

test-all: $(VENV)/dev.stamp
	$(MAKE) --no-print-directory -j2 lint all

fast:
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow"

all:
	$(BIN)/pytest -n 2 --dist loadfile

# The type checker sees agents/ where it stands once installed: as matenv/agents.
CHECKED := tests studies tools benchmarks examples
lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf .typecheck && mkdir .typecheck
	cp -rs $(CURDIR)/matenv .typecheck/matenv && cp -rs $(CURDIR)/agents .typecheck/matenv/agents
	cp -rs $(CHECKED:%=$(CURDIR)/%) .typecheck
	cd .typecheck && $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml --cache-dir $(CURDIR)/.mypy_cache -p matenv $(CHECKED:%=-p %)

# Shorter, or in part: make bench OPTIONS='--quick --only hull --only environment'
bench: $(VENV)/bench.stamp
	$(BIN)/python -m benchmarks.run $(OPTIONS)
	test -n "$(OPTIONS)" || $(BIN)/python -m benchmarks.quote

# Known vulnerabilities of what is installed, and its licences.
audit: $(VENV)/dev.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[audit]'
	$(BIN)/python -m tools.licences
	$(BIN)/pip-audit --skip-editable

# About two minutes; longer: make fuzz OPTIONS='--examples 20000 --seconds 600'
fuzz: $(VENV)/dev.stamp
	$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --quiet -c constraints.txt atheris || true
	$(BIN)/python -m tests.fuzz $(OPTIONS)

clean:
	rm -rf $(VENV) .typecheck build *.egg-info .mypy_cache .ruff_cache .pytest_cache
