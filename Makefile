# SPDX-License-Identifier: GPL-2.0-only
# Thin wrappers around `ringcross`. `make help` lists the targets.

# The variables below. Only the command line sets them: an exported TARGET or SEED belongs to
# another program.
VARIABLES := TARGET KERNEL CLOCK PLAN CHANNELS OPERATIONS SIZES CONTEXTS WAITS BURSTS RATES QUEUES RECORDS PLACEMENTS \
	THREADS SEED BOOTS LOADS PRECISION BUDGET REPEAT APPEND CPUS RUNS VERSIONS PYTHON VENV
IGNORED := $(strip \
	$(foreach name,$(VARIABLES),$(if $(filter environment%,$(origin $(name))),$(name))))

TARGET = vm
KERNEL = stock
CLOCK = auto
PLAN = quick
CHANNELS =
OPERATIONS =
SIZES =
CONTEXTS =
WAITS =
BURSTS =
RATES =
QUEUES =
THREADS =
RECORDS =
PLACEMENTS =
SEED = 1
BOOTS = 1
LOADS = 0
PRECISION =
BUDGET =
REPEAT = 10
APPEND =
CPUS = auto
RUNS =
VERSIONS = lowest newest

PYTHON = python3
VENV = .venv
export VENV
# Another project's Python, or another package of the name bench, must not take the place of ours.
unexport PYTHONHOME PYTHONPATH PYTHONSAFEPATH PYTHONSTARTUP
# Not the scripts in bin/: their first line does not work in every folder.
IN_VENV = $(VENV)/bin/python -m
RINGCROSS = $(IN_VENV) bench
PYTEST = $(IN_VENV) pytest
# A machine under icount gives the same counts beside others. More than 8 would need much memory.
# The tests of a file share its boots, so one worker gets the whole file.
PARALLEL = -n auto --maxprocesses 8 --dist loadfile
SOURCES = bench reports tests conftest.py ringcross.py

GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command%,$(origin $(name))),$(name)))
UNKNOWN := $(firstword $(filter-out $(VARIABLES),$(GIVEN)))
ifdef UNKNOWN
$(error $(or $(shell env -u PYTHONHOME -u PYTHONPATH $(PYTHON) -c 'import bench.errors; import sys; \
	print(str(bench.errors.unknown("variable", sys.argv[1], sys.argv[2:])).rstrip("."))' \
	$(UNKNOWN) $(VARIABLES)),There is no variable $(UNKNOWN). Known: $(VARIABLES)))
endif

.DEFAULT_GOAL := help

$(VENV)/.ready: pyproject.toml packages.txt scripts/setup
	@scripts/setup "$(VENV)" "$(PYTHON)"
	@touch $@

setup: $(VENV)/.ready ## Install missing system packages (needs root) and Python packages

modules: setup ## Fetch a kernel with its headers, and build the kernel halves
	@$(RINGCROSS) build modules --kernel "$(KERNEL)"

agent: setup ## Build the agent that runs the timed loops
	@$(RINGCROSS) build agent

bench: setup ## Measure and render a report: make bench PLAN=standard CHANNELS=netlink,ioctl
	@[ -z "$(IGNORED)" ] || echo "Note: $(IGNORED) of the environment is ignored, because make takes" \
		"variables from its command line only: make bench NAME=value" >&2
	@$(RINGCROSS) run --target $(TARGET) --kernel "$(KERNEL)" --clock $(CLOCK) --plan $(PLAN) \
		--seed $(SEED) --boots $(BOOTS) --loads $(LOADS) --cpus $(CPUS) \
		--append "$(APPEND)" --channels "$(CHANNELS)" \
		--operations "$(OPERATIONS)" --sizes "$(SIZES)" --contexts "$(CONTEXTS)" \
		--waits "$(WAITS)" --bursts "$(BURSTS)" --rates "$(RATES)" --queues "$(QUEUES)" \
		--records "$(RECORDS)" --threads "$(THREADS)" --placements "$(PLACEMENTS)" \
		$(if $(PRECISION),--precision "$(PRECISION)") $(if $(BUDGET),--budget "$(BUDGET)")

test: setup ## Run all tests, also slow ones, or those of some channels: make test CHANNELS=ioctl
	@$(PYTEST) tests -m "" $(PARALLEL) $(if $(strip $(CHANNELS)),"--channels=$(CHANNELS)")

test-unit: setup ## Run only the tests that boot no kernel and are quick, on all processors
	@$(PYTEST) tests $(PARALLEL)

test-vm: setup ## Run only the tests that boot a kernel, without those that take minutes
	@$(PYTEST) tests -m "vm and not slow" $(PARALLEL)

test-dependencies: setup ## Test with the lowest and with the newest Python packages that are promised
	@for versions in $(VERSIONS); do scripts/test-dependencies $$versions $(PYTHON) || exit; done

bench-self: setup ## Measure what ringcross itself costs, and compare with its limits
	@$(IN_VENV) bench.commands.self_benchmark

bench-limits: setup ## Compare the fast paths with hand-written code, in one boot
	@$(IN_VENV) bench.commands.limits --kernel "$(KERNEL)"

bench-repeat: setup ## Repeat a run under the clock time, and print how well its figures agree
	@$(IN_VENV) bench.commands.repeat --repeat $(REPEAT) \
		$(if $(CHANNELS),--channels "$(CHANNELS)") \
		$(if $(PRECISION),--precision "$(PRECISION)") $(if $(BUDGET),--budget "$(BUDGET)")

bench-against: setup ## Compare our figures of system calls with perf bench (package linux-perf) and lmbench
	@$(IN_VENV) bench.commands.perf_bench

test-kvm: setup ## Run a whole run under KVM on an emulated machine that has KVM; this one needs none
	@$(PYTEST) tests/vm/test_nested_kvm.py -m ""

shell: setup ## Boot the kernel under test with a shell, to try the modules
	@$(RINGCROSS) shell --kernel "$(KERNEL)"

demo: setup ## Show how a module and a program share memory through /dev/mem
	@$(RINGCROSS) demo --kernel "$(KERNEL)"

list: setup ## List the channels and their operations
	@$(RINGCROSS) list

report: setup ## Render the report of a run again, or several side by side: make report RUNS="A B"
	@$(RINGCROSS) report $(RUNS)

results: setup ## Measure again the figures of README, docs/results and docs/sample
	@$(IN_VENV) bench.commands.publish

compare: setup ## Print the ratios between two runs, with intervals: make compare RUNS="A B"
	@$(RINGCROSS) compare $(RUNS)

lint: setup format-check ## Check style, types, spelling and licence lines, and warnings of the C code
	@$(IN_VENV) ruff check $(SOURCES)
	@$(IN_VENV) ruff format --check $(SOURCES)
	@$(IN_VENV) mypy $(SOURCES)
	@scripts/in-venv scripts/spell
	@$(PYTEST) tests/test_repository.py
	@$(RINGCROSS) build agent
	@$(RINGCROSS) build modules --check --kernel "$(KERNEL)"

format: setup ## Format the Python and the C files
	@$(IN_VENV) ruff check --fix $(SOURCES)
	@$(IN_VENV) ruff format $(SOURCES)
	@scripts/in-venv scripts/format-c

format-check: setup ## Check that the C files are formatted
	@scripts/in-venv scripts/format-c --check

clean: ## Remove build results; keep runs and fetched kernels
	@rm -rf build .mypy_cache .pytest_cache .ruff_cache .benchmarks *.egg-info
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

help: ## Show this list
	@echo "Usage: make TARGET [VARIABLE=VALUE ...]"
	@echo
	@echo "Targets:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 21
	@echo
	@echo "Variables of bench, with the present value in brackets; an empty list means all:"
	@echo "  TARGET      vm or local [$(TARGET)]"
	@echo "  KERNEL      stock, a series such as 6.12, a flavour such as rt, a suite such as sid, an"
	@echo "              exact release, running, or the path of a build tree [$(KERNEL)]"
	@echo "              (also of modules, shell, demo, lint and bench-limits; for bench several, as"
	@echo "              in 6.1,6.12)"
	@echo "  CLOCK       auto, instructions or time [$(CLOCK)]"
	@echo "  PLAN        quick, standard or full [$(PLAN)]"
	@echo "  CHANNELS    list, for example netlink,ioctl (also of test) [$(CHANNELS)]"
	@echo "  OPERATIONS  list of push, pull, call, notify, stream [$(OPERATIONS)]"
	@echo "  SEED        seed of the first boot [$(SEED)]"
	@echo "  BOOTS       number of boots in which each cell is measured [$(BOOTS)]"
	@echo "  LOADS       loads of the module in each boot; 0: as the plan says [$(LOADS)]"
	@echo "  PRECISION   of time: repeat cells until their intervals are as narrow, e.g. 2% [$(PRECISION)]"
	@echo "  BUDGET      with PRECISION: how long to repeat, e.g. 10m [$(BUDGET)]"
	@echo "  APPEND      parameters for the kernel command line of the vm target; several sets, as in"
	@echo "              \"none | mitigations=off\", are measured in turn [$(APPEND)]"
	@echo "  CPUS        CPUs of the virtual machine; more than one only with the time clock [$(CPUS)]"
	@echo "Factors of bench; empty: as the plan says. Setting one other than SIZES replaces all the"
	@echo "factors that the plan varies:"
	@echo "  SIZES       bytes of body, for example 8,4k,1M [$(SIZES)]"
	@echo "  CONTEXTS    list of process, softirq, hardirq [$(CONTEXTS)]"
	@echo "  WAITS       list of block, poll, busy [$(WAITS)]"
	@echo "  BURSTS      numbers of events per burst of a stream [$(BURSTS)]"
	@echo "  RATES       rates of a stream: max, search or numbers [$(RATES)]"
	@echo "  QUEUES      queue lengths of a stream [$(QUEUES)]"
	@echo "  THREADS     numbers of concurrent threads [$(THREADS)]"
	@echo "  RECORDS     numbers of records of a dump's table [$(RECORDS)]"
	@echo "  PLACEMENTS  where the two ends of a conversation run [$(PLACEMENTS)]"
	@echo "Variable of bench-repeat (which also has CHANNELS, PRECISION and BUDGET):"
	@echo "  REPEAT      number of runs [$(REPEAT)]"
	@echo "Variable of report and compare:"
	@echo "  RUNS        run folders; empty: the newest one, or the newest two for compare"
	@echo "Variable of test-dependencies:"
	@echo "  VERSIONS    list of lowest, newest [$(VERSIONS)]"
	@echo
	@echo "More options and examples: $(VENV)/bin/ringcross run --help"

.PHONY: setup modules agent list results bench bench-self bench-limits bench-repeat bench-against test test-unit test-vm test-kvm test-dependencies shell demo report compare lint \
	format format-check clean help
