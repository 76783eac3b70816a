PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install demo test test-all compiled fast all lint bench fuzz audit test-pythons test-minimum clean

# torch comes first: where pip's own sources have no CPU build of it (constraints.txt), PyTorch's index has.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
PIP := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt
define installed
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch 2>/dev/null || $(PIP) torch --extra-index-url $(TORCH_INDEX)
	$(PIP) -e '.[$(1)]'
endef

# The stamp files record what is installed, so that later calls start at once.
$(VENV)/agents.stamp: pyproject.toml constraints.txt
	$(call installed,agents)
	touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt
	$(call installed,dev)
	touch $@ $(VENV)/agents.stamp

$(VENV)/bench.stamp: pyproject.toml constraints.txt
	$(call installed,bench)
	touch $@ $(VENV)/agents.stamp

install: $(VENV)/dev.stamp

demo: $(VENV)/agents.stamp
	$(BIN)/matenv demo

# Lint takes one core for a while: it runs beside the tests, and beside the compiler that both of their workers wait for.
test: $(VENV)/dev.stamp
	$(MAKE) --no-print-directory -j2 lint fast

test-all: $(VENV)/dev.stamp
	$(MAKE) --no-print-directory -j2 lint all

compiled: $(VENV)/dev.stamp
	$(BIN)/python -m tools.compile_ahead

fast: compiled
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow"

all: compiled
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

# Licences of what is installed, and its known vulnerabilities; fails where these cannot be looked up.
audit: $(VENV)/dev.stamp
	$(PIP) -e '.[audit]'
	$(BIN)/python -m tools.audit

# The fast tests on other Pythons, and on the oldest with the oldest versions that pyproject.toml admits. Without a CPU
# build of torch in pip's own sources: make test-pythons OPTIONS='--torch-index $(TORCH_INDEX)', or OPTIONS=--cuda (GBs).
test-pythons: $(VENV)/dev.stamp
	$(BIN)/python -m tools.elsewhere 3.11 3.12 3.13 $(OPTIONS)

test-minimum: $(VENV)/dev.stamp
	$(BIN)/python -m tools.elsewhere 3.11 --oldest $(OPTIONS)

# About two minutes; longer: make fuzz OPTIONS='--examples 20000 --seconds 600'
fuzz: $(VENV)/dev.stamp
	$(BIN)/python -c 'import atheris' 2>/dev/null || $(PIP) atheris || true
	$(BIN)/python -m tests.fuzz $(OPTIONS)

clean:
	rm -rf $(VENV) .elsewhere .typecheck build *.egg-info .mypy_cache .ruff_cache .pytest_cache
