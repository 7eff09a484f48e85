# make demo   install in .venv and run the main job on the embedded (synthetic) data
# make test   install the test tools too, then run the linters and all tests
# make lint   ruff and mypy only
# make notebooks   run all notebooks
# make docs   build the documentation into build/docs; a warning is an error
# make sbom   write the bill of materials of the environment to build/sbom.json (CycloneDX)
# make clean  remove what make and the tests have made

PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell \
	$(name) -c 'import sys; (3, 11) <= sys.version_info[:2] < (3, 14) and print("$(name)")' 2>/dev/null)))
VENV ?= .venv
OUT ?= demo-results
JOBS ?= 2
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: demo test lint notebooks docs sbom clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/gwforecast demo --out $(OUT)

test: $(VENV)/.installed-test lint
	$(BIN)/python -m pytest -n $(JOBS) -q

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

notebooks: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n $(JOBS) -q --nbmake --nbmake-timeout=300 -o addopts="" notebooks

docs: $(VENV)/.installed-test
	$(BIN)/python -m sphinx -W --keep-going -n -q -j $(JOBS) -b html docs build/docs

SBOM := build/sbom-venv/bin
sbom: $(VENV)/.installed
	@test -x $(SBOM)/cyclonedx-py || { $(BIN)/python -m venv build/sbom-venv && \
	$(SBOM)/python -m pip --disable-pip-version-check install --quiet cyclonedx-bom==7.5.0; }
	$(SBOM)/cyclonedx-py environment --output-reproducible --of JSON -o build/sbom.json $(BIN)/python

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "gwforecast needs Python 3.11, 3.12 or 3.13. Found: \
	$$(python3 --version 2>/dev/null || echo none). Install one of them, or name it: \
	make demo PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { \
	echo "gwforecast needs Python 3.11, 3.12 or 3.13. Received: $$($(PYTHON) --version). Name \
	another one: make demo PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	echo "$(PYTHON) cannot make virtual environments: its venv module is not there. Install it \
	(on Debian and Ubuntu: the package python3-venv) and call make again." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

KERNELS := $(wildcard gwforecast/networks/engines/source/*.[ch])

$(VENV)/.installed: pyproject.toml constraints.txt $(KERNELS) | $(VENV)/bin/python
	$(PIP) -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt $(KERNELS) | $(VENV)/bin/python
	$(PIP) -e '.[test]'
	@touch $@ $(VENV)/.installed

clean:
	rm -rf docs/modules docs/notebooks docs/settings.md docs/public.md build dist demo-results .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
