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

test-unit: setup ## Only the tests that boot nothing
	@$(PYTEST) tests

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

lint: setup ## Style and types of the Python, warnings of the C
	@$(VENV)/bin/ruff check $(SOURCES)
	@$(VENV)/bin/ruff format --check $(SOURCES)
	@$(VENV)/bin/mypy $(SOURCES)
	@$(RINGCROSS) build agent
	@$(RINGCROSS) build modules --check --kernel $(KERNEL)

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

.PHONY: setup modules agent results bench bench-self bench-against test test-unit shell demo report compare lint clean help
