# `make` lists the targets. Everything lives in .venv, build/ and the user's cache folder (Kafka's jars, Triton).

PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3.14 python3,$(shell command -v $(name))))
VENV := .venv
BIN := $(VENV)/bin
UV := build/uv/bin/uv
DONE := build/done
CORPUS := build/demo-corpus
MORE := build/more-corpus
PROTOS := $(wildcard proto/*.proto)

export UV_PYTHON_DOWNLOADS := never
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
# Tests start hundreds of processes: none compiles what another has compiled.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo train test soak cluster check format bench docs proto dashboards lock clean
.DELETE_ON_ERROR:

help: ## This list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 15

setup: $(DONE)/tried $(DONE)/corpus ## Virtual environment, Kafka, Triton, demo documents; needs Python 3.11, pip and the network

demo: setup ## Run the demo documents through the whole river; parts and report in demo/
	$(BIN)/corpusworks run $(CORPUS) tests/data/documents --out demo
	@echo 'next: make train, which trains a small model on these parts while more documents come in'

train: setup $(DONE)/trainer $(DONE)/more ## Train a small model on the demo's parts while more documents come in; needs 6 GB of disk for PyTorch
	$(BIN)/corpusworks run $(CORPUS) tests/data/documents --out demo >demo-run.log || { cat demo-run.log; exit 1; }
	@mv demo-run.log demo/
	CORPUSWORKS_UNITS__SINK__SEAL_AGE_S=15 $(BIN)/corpusworks up $(MORE) --out demo >demo/up.log 2>&1 & river=$$!; \
	trap 'kill -INT $$river 2>/dev/null' EXIT; \
	$(BIN)/corpusworks train --out demo --run first --wait 60
	$(BIN)/corpusworks ledger step 1 --run first --out demo

test: setup $(DONE)/judge $(DONE)/s3 $(DONE)/ocr check ## Checks and all tests
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

soak: setup $(DONE)/judge $(DONE)/s3 ## Kills, clocks, crowds: long; SEED=7 repeats one, MINUTES=20 lasts so long, ONLY=kills chooses
	SOAK_SEED=$(SEED) SOAK_MINUTES=$(MINUTES) $(BIN)/python -m pytest -m soak -s $(if $(ONLY),-k $(ONLY))

cluster: setup $(DONE)/judge $(DONE)/s3 $(DONE)/more $(DONE)/scan ## The chart and the launcher on real pods, as root; CORPUSWORKS_KUBERNETES names the script that starts a Kubernetes
	$(BIN)/python -m pytest -m 'not soak' -s --durations=12 tests/cluster tests/charts/test_server_side.py tests/charts/test_scans.py \
		tests/contract/test_launcher_backends.py $(if $(ONLY),-k $(ONLY))

check: $(DONE)/judge ## Lint, format, types, import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DONE)/venv ## Rewrite the code as `check` wants it
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: setup $(DONE)/bench ## Figures against their targets, rivals in the same run
	$(BIN)/python -m tests.benchmarks

docs: $(DONE)/docs ## The pages of docs/ as a site in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

proto: $(DONE)/venv ## Generate the package contracts anew
	$(BIN)/python -m grpc_tools.protoc -I contracts=proto --python_out=proto --pyi_out=proto $(PROTOS:proto/%=contracts/%)

dashboards: $(DONE)/venv ## Write the chart's Grafana dashboards and Prometheus rules anew
	$(BIN)/python -m charts.monitoring

lock: $(DONE)/venv ## Resolve all versions anew: constraints.txt, Kafka's jars, Triton's wheels
	$(UV) pip compile --upgrade --universal --all-extras --no-emit-index-url --no-annotate --no-header \
		--quiet --output-file constraints.txt pyproject.toml
	$(uv) $(BIN)/python -m services.local.packages.install --lock

clean: ## Remove what was built here; the cache of jars and wheels stays
	rm -rf $(VENV) build demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# uv does not read pip's configuration: hand on its index, if there is one.
define uv
	@index="$${PIP_INDEX_URL:-$$($(PYTHON) -m pip config get global.index-url 2>/dev/null)}"; \
	if [ -n "$$index" ]; then export UV_DEFAULT_INDEX="$$index"; fi; export UV="$(CURDIR)/$(UV)"; set -x;
endef

define install
	$(uv) $(UV) pip install --quiet --constraint constraints.txt --editable '.[$(1)]'
endef

$(UV):
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: install it, or name it with make PYTHON=/path/to/python"; exit 1; }
	@rm -rf build/uv
	$(PYTHON) -m pip install --quiet --target build/uv uv

$(DONE)/venv: pyproject.toml constraints.txt | $(UV)
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	$(call install,dev)
	@mkdir -p $(@D) && touch $@

# PyTorch is 5 GB: only what trains the judges needs it.
$(DONE)/judge: $(DONE)/venv
	$(call install,dev$(comma)judge)
	@touch $@

# What reads pages that are pictures: 130 MB.
$(DONE)/ocr: $(DONE)/venv
	$(call install,dev$(comma)ocr)
	@touch $@

# And what trains the model.
$(DONE)/trainer: $(DONE)/venv
	$(call install,dev$(comma)trainer)
	@touch $@

$(DONE)/bench: $(DONE)/venv
	$(call install,dev$(comma)bench)
	@touch $@

$(DONE)/docs: $(DONE)/venv
	$(call install,dev$(comma)docs)
	@touch $@

$(DONE)/servers: services/local/servers/kafka.py $(addprefix services/local/packages/,kafka.lock.toml triton.lock.txt wheels.py) $(DONE)/venv
	$(uv) $(BIN)/python -m services.local.packages.install
	@touch $@

# A run, so that what runs import is compiled before the first that somebody waits for, and that a machine which
# cannot do it says so here.
$(DONE)/tried: $(DONE)/servers
	@rm -rf build/tried
	@$(BIN)/corpusworks run tests/data/documents --out build/tried >build/tried.log 2>&1 || { cat build/tried.log; exit 1; }
	@rm -rf build/tried build/tried.log && touch $@

# An S3 server, which the tests and the images of servers need.
$(DONE)/s3: $(addprefix services/local/packages/,s3proxy.lock.toml jars.py) $(DONE)/venv
	$(BIN)/python -m services.local.packages.install --s3
	@touch $@

$(DONE)/corpus: $(addprefix services/local/packages/,corpus.py corpus.toml) $(DONE)/venv
	$(BIN)/python -m services.local.packages.corpus $(CORPUS)
	@touch $@

$(DONE)/more: services/local/packages/corpus.py services/local/packages/more.toml $(DONE)/venv
	$(BIN)/python -m services.local.packages.corpus $(MORE) services/local/packages/more.toml
	@touch $@

# Schemas, checkov, hadolint: what `make cluster` looks at the chart with.
$(DONE)/scan: charts/scan.txt | $(UV)
	$(UV) venv --quiet --clear --python $(PYTHON) build/scan
	$(uv) $(UV) pip install --quiet --python build/scan/bin/python --requirement charts/scan.txt
	@mkdir -p $(@D) && touch $@

comma := ,
