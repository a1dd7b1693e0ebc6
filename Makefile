# Everything that people and CI run. `make` alone says what there is.
# The environment is the project's own (.venv), made from requirements.lock, whose every file is checked by its hash.
# One that is a link belongs to another tree, whose `chronos` stays in it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made

.DEFAULT_GOAL := help
.PHONY: help install demo dev test test-long contract faults check format bench bench-engine bench-consume bench-rebuild bench-serving bench-hour bench-extract bench-words lock clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): pyproject.toml requirements.lock requirements-uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Chronos needs Python 3.11 or newer; set PYTHON=")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned packages into $(VENV) (about 0.5 GB to download, once) ..."
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements.lock
	@test -L $(VENV) || $(BIN)/uv pip install -q --python $(BIN)/python --offline --no-deps --no-build-isolation --editable .
	@touch $@

install: $(STAMP) ## sets up .venv; then .venv/bin/chronos is there

demo: $(STAMP) ## the main job, end to end, on the embedded stack
	@$(BIN)/python -m chronos demo

dev: $(STAMP) ## Kafka, Postgres, AI, the functions and the projection, until Ctrl-C
	@$(BIN)/python -m chronos dev

# Each of the two has a broker and a database of its own; a file's tests stay together, and the slow files come first.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: $(STAMP) ## all tests but the long ones, on a real broker and a real database, two at a time
	$(PYTEST) -m "not long"

test-long: $(STAMP) ## the long ones, one at a time, and a rebuild of a long log
	$(BIN)/python -m pytest -m long --durations=0 -vv --no-header
	-$(BIN)/python -m benchmarks.rebuilding --videos 10000 --also 1000 # its goals are aims: see docs/benchmarks.md

contract: $(STAMP) ## what every store, speech model and embedding model keeps to, each adapter by its name
	$(BIN)/python -m pytest -vv --no-header tests/contract

FAULTS ?= 60
VIDEOS ?= 400
SEED ?= 1
faults: $(STAMP) ## a campaign of faults, with a report: FAULTS=60 VIDEOS=400 SEED=1 (and MINUTES=, REPORT=file.md)
	$(BIN)/python -m tests.faults.campaign --faults $(FAULTS) --videos $(VIDEOS) --seed $(SEED) \
		$(if $(MINUTES),--minutes $(MINUTES)) $(if $(REPORT),--report $(REPORT))

check: $(STAMP) ## format, lint, types, import contracts, schemas, unit tests: in about a minute
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m schemas check
	$(PYTEST) tests/unit

format: $(STAMP) ## puts the code into form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP) ## the benchmarks, with machine and date
	$(BIN)/python -m benchmarks.engine
	$(BIN)/python -m benchmarks.consuming
	$(BIN)/python -m benchmarks.recovery
	-$(BIN)/python -m benchmarks.serving # its goals are aims: see docs/benchmarks.md
	-$(BIN)/python -m benchmarks.hour # as are these
	-$(BIN)/python -m benchmarks.extracting
	$(BIN)/python -m benchmarks.words

bench-engine: $(STAMP) ## the engine alone: latency, throughput, and where the time goes
	$(BIN)/python -m benchmarks.engine

bench-rebuild: $(STAMP) ## a rebuild of 1,000,000 facts, beside its floors: LOG=50000 videos, of which ALSO=5000 in two spaces
	$(BIN)/python -m benchmarks.rebuilding --videos $(or $(LOG),50000) --also $(or $(ALSO),5000)

bench-consume: $(STAMP) ## a function that does nothing beside plain aiokafka, and how soon a dead worker's work goes on
	$(BIN)/python -m benchmarks.consuming
	$(BIN)/python -m benchmarks.recovery

bench-serving: $(STAMP) ## how soon the API and the pages answer with 100,000 videos in the tables: VIDEOS_SERVED=100000
	$(BIN)/python -m benchmarks.serving --videos $(or $(VIDEOS_SERVED),100000)

bench-hour: $(STAMP) ## an hour of speech with a provider that takes 2 s a segment, beside its floor
	$(BIN)/python -m benchmarks.hour

bench-extract: $(STAMP) ## an hour's sound out of its file, beside the ffmpeg command: FILE=lecture.mp4
	$(BIN)/python -m benchmarks.extracting $(if $(FILE),--file $(FILE))

bench-words: $(STAMP) ## the word error rate of the local model on recordings of people
	$(BIN)/python -m benchmarks.words

lock: $(STAMP) ## pins the dependencies anew
	$(BIN)/uv pip compile -q pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-header -o requirements.lock
	echo uv | $(BIN)/uv pip compile -q - --universal --python-version 3.11 --generate-hashes --no-header -o requirements-uv.lock

clean: ## removes the environment and the stack's data; refuses while the stack runs
	@if [ -x $(BIN)/python ] && [ -f .chronos/dev.json ]; then $(BIN)/python -m chronos stop --check; fi
	rm -rf $(VENV) .chronos .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
