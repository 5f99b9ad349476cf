# Two commands matter: `make run` starts everything with demo data, `make test` runs the tests.
.DEFAULT_GOAL := help
.PHONY: help setup run test test-sqlite test-postgresql check docs bench fuzz fmt pins clients elements words
BIN := .venv/bin
PYTEST := $(BIN)/pytest -q -n auto --dist loadfile --no-loadscope-reorder --durations=40 --durations-min=2
# What was compiled once is kept, whatever the environment says: tests start many processes.
unexport PYTHONDONTWRITEBYTECODE

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | sort | expand -t 18

setup: ## build .venv with everything for development
	@scripts/setup dev

run: ## start every part with the demo site; Ctrl-C stops them
	@scripts/setup runtime && exec $(BIN)/ris up --demo

test: test-sqlite test-postgresql ## run the whole suite, on SQLite and then on PostgreSQL

test-sqlite: setup ## run the suite on SQLite
	$(PYTEST)

test-postgresql: setup ## run the suite on a private PostgreSQL, where its programs are installed
	$(PYTEST) --database=postgresql

check: setup ## every gate of CONTRIBUTING.md: what reads the code, two at a time, then the tests
	$(MAKE) --no-print-directory -j 2 -O types rest-of-the-gates
	$(MAKE) --no-print-directory test

.PHONY: types rest-of-the-gates
types: ## mypy, strict; a part of check
	$(BIN)/mypy

rest-of-the-gates: ## what else reads the code; a part of check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python docs/generate.py --check

docs: setup ## write the generated documents anew
	$(BIN)/python docs/generate.py

bench: setup ## run the benchmarks; peers that are installed are measured beside
	$(BIN)/python -m benchmarks

fmt: setup ## format, and fix what can be fixed
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

pins: ## compile the requirement files from pyproject.toml
	@scripts/pins

clients: ## install the Node clients the tests drive into .cache/clients
	@mkdir -p .cache/clients && cp tests/clients/package.json tests/clients/package-lock.json tests/clients/.npmrc .cache/clients/ && cd .cache/clients && npm ci --ignore-scripts --loglevel=error

elements: setup ## make the FHIR element table anew from the definitions `make clients` installed
	$(BIN)/python scripts/elements.py

words: setup ## collect the words of the pages into locale/ and compile what is translated (needs gettext)
	$(BIN)/python manage.py makemessages --all --no-obsolete --no-wrap --ignore '.*' --ignore 'docs/*' --ignore 'tests/*' --ignore 'worklist/*' --ignore 'integration/*'
	$(BIN)/python manage.py compilemessages --ignore '.*'

fuzz: setup ## feed mutated DICOM and HL7 messages to the listeners' code; FUZZ_INPUTS for each target
	$(BIN)/python -m tests.fuzz --inputs $(or $(FUZZ_INPUTS),100000)
