# Two commands set everything up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check torture docs lint clean
.DELETE_ON_ERROR:

demo: $(VENV)/.runtime  ## Train three models on MNIST, compare them, and write the report
	$(BIN)/cospike data fetch mnist
	$(BIN)/cospike compare mnist --out runs/demo --resume

# Two processes of two threads on two cores: threads that spin for each other would slow them down tenfold.
test check torture: export OMP_WAIT_POLICY := PASSIVE

test: $(VENV)/.dev lint  ## Everything: linters, types, layers, tests
	$(BIN)/pytest -n 2

check: $(VENV)/.dev lint  ## The quick core, under 90 seconds
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

$(VENV)/.pip: 
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet "pip>=25.1"
	touch $@

$(VENV)/.runtime: $(VENV)/.pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(BIN)/pip install --quiet --constraint constraints.txt --group dev
	touch $@

$(VENV)/.torture: $(VENV)/.dev
	$(BIN)/pip install --quiet --constraint constraints.txt --group torture
	touch $@

clean:
	rm -rf $(VENV) site .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
