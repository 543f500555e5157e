# Two commands: `make sample` and `make test`. Everything they need is set up on the way.
VENV ?= .venv
BIN := $(VENV)/bin
# The first interpreter that is new enough; override with `make PYTHON=/path/to/python3.12 ...`.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
STAMP := $(VENV)/.ready
WORKERS ?= 2

.PHONY: sample test check thorough real services qgis browser lock clean
.DEFAULT_GOAL := sample

$(STAMP): pyproject.toml requirements.lock
	@test -n "$(PYTHON)" || { echo "siluan needs Python 3.11 or newer; none was found."; exit 2; }
	@echo "Setting up $(VENV) (once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Python cannot make a virtual environment: install its venv module."; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $(STAMP)

sample_scenes/data/truth.geojson: $(STAMP) $(wildcard sample_scenes/*.py)
	@echo "Making the sample scenes (once) ..."
	@$(BIN)/python -m sample_scenes.make --out sample_scenes/data --seed 7
	@touch $@

sample_scenes/data/flights/truth.geojson: sample_scenes/data/truth.geojson
	@$(BIN)/python -m sample_scenes.flights --out sample_scenes/data/flights --seed 3
	@touch $@

sample: $(STAMP) sample_scenes/data/truth.geojson sample_scenes/data/flights/truth.geojson
	@mkdir -p sample_scenes/data/office
	@$(BIN)/siluan layers import sample_scenes/data/works.geojson --as works --datum wgs84 \
		--accept-offset "sample_scenes（虚构）" --config sample_scenes/data/office
	@$(BIN)/siluan run workflows/sample.yaml || test $$? -eq 10
	@$(BIN)/python -m sample_scenes.score --out out/sample/latest
	@for flight in sample_scenes/data/flights/2025-*/; do \
		$(BIN)/siluan submit "$$flight" --state state/sample-flights --config sample_scenes/data || exit $$?; done
	@$(BIN)/siluan run workflows/sample-inspect.yaml
	@$(BIN)/python -m sample_scenes.score_flights --out out/sample-flights/latest
	@echo "下一步 Next: open out/sample/latest/review/index.html (drone: out/sample-flights/latest/review/index.html)"

test: $(STAMP)
	@$(BIN)/python -m pytest -n $(WORKERS) -q

check: $(STAMP)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports
	@$(BIN)/pyright --pythonpath $(BIN)/python

thorough: $(STAMP)
	@$(BIN)/python -m pytest -n $(WORKERS) -q -m 'thorough and not real'

real: $(STAMP)
	@$(BIN)/python -m pytest -n $(WORKERS) -q -m real

# Servers in an environment of their own: what they need does not fit what siluan runs on.
SERVICES := .venv-services
$(SERVICES)/.ready: pyproject.toml $(STAMP)
	@echo "Setting up $(SERVICES) (once) ..."
	@test -x $(SERVICES)/bin/python || $(PYTHON) -m venv $(SERVICES)
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["services"], sep="\n")' \
		| $(BIN)/uv pip install --quiet --python $(SERVICES)/bin/python -r -
	@touch $@

services: $(STAMP) $(SERVICES)/.ready
	@SILUAN_REQUIRE_SERVICES=1 $(BIN)/python -m pytest -q -m services

# QGIS lives in the system's Python; the tests start that one beside their own.
qgis: $(STAMP)
	@SILUAN_REQUIRE_QGIS=1 $(BIN)/python -m pytest -q -m qgis

# What drives the browser, in an environment of its own beside all that siluan runs on.
BROWSER := .venv-browser
$(BROWSER)/.ready: pyproject.toml $(STAMP)
	@echo "Setting up $(BROWSER) (once) ..."
	@test -x $(BROWSER)/bin/python || $(PYTHON) -m venv $(BROWSER)
	@$(BIN)/uv pip install --quiet --python $(BROWSER)/bin/python -r requirements.lock
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["browser"], sep="\n")' \
		| $(BIN)/uv pip install --quiet --python $(BROWSER)/bin/python -r -
	@$(BIN)/uv pip install --quiet --python $(BROWSER)/bin/python --no-deps --editable .
	@touch $@

browser: $(STAMP) $(BROWSER)/.ready
	@SILUAN_REQUIRE_BROWSER=1 $(BROWSER)/bin/python -m pytest -n 0 -q -m browser

lock:
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --no-header --no-emit-index-url pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) $(SERVICES) $(BROWSER) out state sample_scenes/data
