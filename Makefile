# SPDX-License-Identifier: GPL-2.0-only
# Thin wrappers over `ringcross`; run `make help`.

TARGET ?= vm
KERNEL ?= stock
CLOCK ?= auto
PLAN ?= quick
CHANNELS ?=
OPERATIONS ?=
SIZES ?=
CONTEXTS ?=
WAITS ?=
BURSTS ?=
RATES ?=
QUEUES ?=
THREADS ?=
SEED ?= 1
BOOTS ?= 1
LOADS ?= 0
APPEND ?=
RUNS ?=

PYTHON ?= python3
VENV ?= .venv
export VENV
RINGCROSS = $(VENV)/bin/ringcross
PYTEST = $(VENV)/bin/python -m pytest
SOURCES = bench reports tests conftest.py

.DEFAULT_GOAL := help

$(VENV)/.ready: pyproject.toml packages.txt scripts/setup
	@scripts/setup $(VENV) $(PYTHON)
	@touch $@

setup: $(VENV)/.ready ## Install what is missing: system packages (as root), Python packages

modules: setup ## Fetch the kernel and its headers, build the kernel halves
	@$(RINGCROSS) build modules --kernel $(KERNEL)

agent: setup ## Build the agent that runs the timed loops
	@$(RINGCROSS) build agent

bench: setup ## Measure: make bench PLAN=standard CHANNELS=netlink,ioctl
	@$(RINGCROSS) run --target $(TARGET) --kernel $(KERNEL) --clock $(CLOCK) --plan $(PLAN) \
		--seed $(SEED) --boots $(BOOTS) --loads $(LOADS) \
		--append "$(APPEND)" --channels "$(CHANNELS)" \
		--operations "$(OPERATIONS)" --sizes "$(SIZES)" --contexts "$(CONTEXTS)" \
		--waits "$(WAITS)" --bursts "$(BURSTS)" --rates "$(RATES)" --queues "$(QUEUES)" \
		--threads "$(THREADS)"

test: setup ## All tests: units, and what runs on a booted kernel
	@$(PYTEST) tests -m ""

test-unit: setup ## Only the tests that boot nothing, on all processors
	@$(PYTEST) tests -n auto --dist loadgroup

test-vm: setup ## Only the tests that boot a kernel, without those that take minutes
	@$(PYTEST) tests -m "vm and not slow"

bench-self: setup ## What ringcross itself costs, beside what it promises
	@$(VENV)/bin/python -m bench.commands.self_benchmark

bench-against: setup ## Our figure for a null system call against `perf bench` (linux-perf)
	@$(VENV)/bin/python -m bench.commands.perf_bench

shell: setup ## Boot the kernel under test, to try the modules by hand
	@$(RINGCROSS) shell --kernel $(KERNEL)

demo: setup ## The /dev/mem classic on a booted kernel, command by command
	@$(RINGCROSS) demo --kernel $(KERNEL)

report: setup ## Render a report again: make report RUNS="a b" puts several side by side
	@$(RINGCROSS) report $(RUNS)

results: setup ## Measure again what README, docs/results and docs/sample show
	@$(VENV)/bin/python -m bench.commands.publish

compare: setup ## Ratios between two runs, with intervals: make compare RUNS="a b"
	@$(RINGCROSS) compare $(RUNS)

lint: setup ## Style, types, spelling, licence lines; warnings of the C
	@$(VENV)/bin/ruff check $(SOURCES)
	@$(VENV)/bin/ruff format --check $(SOURCES)
	@$(VENV)/bin/mypy $(SOURCES)
	@scripts/in-venv scripts/spell
	@$(PYTEST) tests/test_repository.py
	@$(RINGCROSS) build agent
	@$(RINGCROSS) build modules --check --kernel $(KERNEL)

format: setup ## Format the Python and the C files
	@$(VENV)/bin/ruff check --fix $(SOURCES)
	@$(VENV)/bin/ruff format $(SOURCES)
	@scripts/in-venv scripts/format-c

format-check: setup ## Whether the C files are formatted
	@scripts/in-venv scripts/format-c --check

clean: ## Remove what was built; runs and fetched kernels stay
	@rm -rf build .mypy_cache .pytest_cache .ruff_cache .benchmarks *.egg-info
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

help: ## This list
	@echo "make TARGET, with variables such as PLAN=standard (now in brackets):"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14
	@echo "TARGET vm, local [$(TARGET)] · KERNEL stock, 6.12, … [$(KERNEL)] · CLOCK auto,"
	@echo "instructions, time [$(CLOCK)] · PLAN quick, standard, full [$(PLAN)] · CHANNELS,"
	@echo "OPERATIONS, SIZES lists, all when empty · CONTEXTS process, softirq, hardirq · WAITS"
	@echo "block, poll, busy · BURSTS, QUEUES, THREADS numbers · RATES max, search, numbers ·"
	@echo "SEED [$(SEED)] · BOOTS [$(BOOTS)] · LOADS of a module in each boot, the plan's when 0 ·"
	@echo "APPEND to the kernel's command line · RUNS folders"

.PHONY: setup modules agent results bench bench-self bench-against test test-unit test-vm shell demo report compare lint \
	format format-check clean help
