PYTHON ?= python3
PY := .venv/bin/python
OLDEST := .venv-celery53/bin/python
SUITE := .venv-celery-suite/bin/python
# Most tests wait for servers and workers: half of a core is enough for a process. Those
# of a file share theirs; files are taken in the order of tests/conftest.py, and not those
# with the most tests first.
PYTEST := -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder
CODE := $(wildcard setup.py unique_task tests benchmarks docs)

# An image may forbid Python to keep what it has compiled. Workers and commands start by
# the hundred, and each would compile all that it imports of ours.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test lint types docs servers coverage oldest fuzz soak celery-suite exits \
	stores scaling pictures bench figures matrix clean

help:  ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/installed  ## Watch duplicates not run; REDIS_URL=... to use a real Redis
	$(PY) docs/demo/demo.py $(if $(REDIS_URL),--redis $(REDIS_URL))

test:  ## Everything that CI checks
	@$(MAKE) --jobs 2 --output-sync lint types docs servers .venv-celery53/installed
	@$(MAKE) coverage oldest

lint: .venv/installed  ## Format, style, import layers
	$(PY) -m black --check --quiet $(CODE)
	$(PY) -m isort --check --quiet $(CODE)
	$(PY) -m flake8 $(CODE)
	.venv/bin/lint-imports --no-logo

types: .venv/installed  ## Static types
	$(PY) -m mypy

docs: .venv/installed  ## The documentation site, in docs/_site; a warning is an error
	$(PY) -m sphinx --fail-on-warning --keep-going --nitpicky --quiet docs docs/_site

servers: .venv/installed  ## Find or unpack the servers that the tests start
	$(PY) -m tests.servers

coverage: servers  ## The tests, with the floor under their coverage
	$(PY) -m coverage erase
	$(PY) -m coverage run $(PYTEST)
	$(PY) -m coverage combine --quiet
	$(PY) -m coverage report

oldest: servers .venv-celery53/installed  ## The tests that meet Celery, on the oldest
	$(OLDEST) $(PYTEST) -m "not any_celery"

fuzz: servers  ## Eight processes, some of which die, take 2000 locks each in every store
	UNIQUE_TEST_TURNS=2000 $(PY) -m pytest tests/backends/test_fuzz.py

soak: servers  ## Minutes of killing workers and the store; SEED=... to repeat one
	$(PY) -m tests.soak $(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS))

celery-suite: .venv-celery-suite/installed  ## Celery's own unit tests: plain, with us, with all tasks guarded
	$(SUITE) -m tests.celery_suite $(TESTS)

bench: .venv/installed  ## What a lock costs; ROW="..." for rows with that name, LIST=1 for the names
	$(PY) -m benchmarks $(if $(LIST),--list) $(if $(ROW),"$(ROW)")

figures: .venv/installed servers  ## Write what bench measures into its page of the documentation
	$(PY) -m benchmarks --page

matrix: .venv/installed .venv-celery53/installed servers  ## The tests on every Python and Celery at hand
	$(PY) -m tox

exits: .venv/installed  ## Write the table of exits into its page of the documentation
	$(PY) -m tests.worker.exits_page

stores: .venv/installed  ## Write the table of stores into its page of the documentation
	$(PY) -m tests.docs.stores_table

scaling: .venv/installed  ## Write the tables into the page on scaling
	$(PY) -m tests.docs.scaling_table

pictures: .venv/installed servers  ## Draw the pictures, from what real workers do
	$(PY) -m tests.docs.pictures
	$(PY) -m tests.docs.screenshot

clean:  ## Remove all that was made
	rm -rf .venv .venv-celery53 .venv-celery-suite .celery-suite .virtualenv .servers .tox docs/_site .coverage* .hypothesis .*_cache build dist *.egg-info

.venv/installed: setup.cfg setup.py
	$(call venv,.venv,.[dev])

.venv-celery53/installed: setup.cfg setup.py
	$(call venv,.venv-celery53,.[test] hiredis celery==5.3.*)

.venv-celery-suite/installed: setup.cfg setup.py
	$(call venv,.venv-celery-suite,.[celery-suite])

# Debian's Python cannot make a venv until python3-venv is installed; virtualenv can.
define venv
	@$(PYTHON) -m venv $(1) 2>/dev/null || { \
		$(PYTHON) -m pip install --quiet --target .virtualenv/$(1) virtualenv && \
		PYTHONPATH=.virtualenv/$(1) $(PYTHON) -m virtualenv --quiet $(1); }
	$(1)/bin/pip install --quiet --use-pep517 --editable $(foreach item,$(2),'$(item)')
	@touch $@
endef
