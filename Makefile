# Two commands, from a fresh clone with python3 (3.11 or later) and make: `make compare`, `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

TIME_LIMIT ?= 5
REPORT ?= report
GRAPHS := dagbench-sleipnir-chess-m010-drawn dagbench-splitstream-m010-drawn wfinstances-bacass-m010-measured
COMPARED := worked-example paper-m040 melbourne-s

SITE ?= build/site

# Where this is set, as in many containers, each of hundreds of processes compiles the package from its text anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: compare study test test-all lint docs bench checker schemas clean

compare: $(READY)  ## solve real and paper-size instances with every method; report in $(REPORT)/
	$(BIN)/offloadlib compare $(COMPARED:%=offloadlib/instances/library/%.json) --time-limit $(TIME_LIMIT) -o $(REPORT)

study: $(READY)  ## a first look at the paper's experiments, real graphs, deadlines and memory, DDTO and movement, in minutes
	$(BIN)/offloadlib study paper --quick -o $(REPORT)/study-paper
	$(BIN)/offloadlib study ratios $(GRAPHS:%=offloadlib/instances/library/%.json) --quick -o $(REPORT)/atlas \
		--method heft --method gsod-i --method gsod-i+ls --method price
	$(BIN)/offloadlib study limits --quick -o $(REPORT)/study-limits
	$(BIN)/offloadlib study ddto --quick -o $(REPORT)/study-ddto
	$(BIN)/offloadlib study moving --quick -o $(REPORT)/study-moving

test: $(READY)  ## the test suite
	$(BIN)/pytest -n 2 --dist worksteal

test-all: $(READY)  ## the test suite in full counts, with new random examples (slow)
	HYPOTHESIS_PROFILE=new $(BIN)/pytest -n 2 --dist worksteal -m "slow or not slow"

lint: $(READY)  ## style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(READY)  ## the site, in $(SITE)/: begin at index.html
	$(BIN)/sphinx-build --builder html --conf-dir docs/site --fail-on-warning --keep-going --quiet . $(SITE)

bench: $(READY)  ## growing sizes; branch-and-price beside the MILP and CP-SAT; large cities; price; hybrid (an hour)
	$(BIN)/python benchmarks/scaling.py
	$(BIN)/python benchmarks/decomposition.py
	$(BIN)/python benchmarks/city_scale.py
	$(BIN)/python benchmarks/price_table.py
	$(BIN)/python benchmarks/hybrid.py --limit 60

checker: $(READY)  ## the checker as one file for a sceptic, who needs Python alone: dist/checker.pyz
	$(BIN)/python -m offloadlib.packing dist/checker.pyz

schemas: $(READY)  ## the published JSON Schemas, from the definitions
	$(BIN)/python -m offloadlib.instances.files.published

$(READY): pyproject.toml requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "offloadlib needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $(READY)

clean:
	rm -rf $(VENV) $(REPORT) $(SITE)
