PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint types contract bench docs clean

demo: $(VENV)/.installed
	$(BIN)/neuraltexgen demo -o demo_result

# A file of tests at a time on each core, each with one thread of OpenMP: the pools of several would wait for each other.
test: $(VENV)/.installed-test lint types contract $(if $(shell command -v npm),node_modules/.installed)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-test
	$(BIN)/pyright

contract: $(VENV)/.installed-test
	$(BIN)/lint-imports

bench: $(VENV)/.installed
	$(BIN)/neuraltexgen bench -o bench_result
	$(BIN)/python -m benchmarks.kernels
	$(if $(SCENES),$(BIN)/python -m benchmarks.quality $(SCENES))

docs: $(VENV)/.installed-docs
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) site demo_result

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

# spandrel without torchvision: the tests need none of it, and PyPI's is built for CUDA. .[test] has the rest of its needs.
$(VENV)/.installed-test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps spandrel
	touch $@ $(VENV)/.installed

# The glTF validator, for one test; without npm that test is skipped and says so.
node_modules/.installed: package-lock.json
	npm ci --no-audit --no-fund
	touch $@

$(VENV)/.installed-docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@
