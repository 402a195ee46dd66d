# `make` prints the targets. Everything that is missing is installed by the target that needs it.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
JOBS ?= $(shell nproc)
export JOBS

# Options of the demo, such as DEMO=--keep.
DEMO ?=

# Options of the benchmark, such as BENCH="--scenario bulk,overload --rounds 3".
BENCH ?=

# The pinned Node of node_modules runs everything, whatever Node the host has.
BIN := $(CURDIR)/node_modules/.bin
WITH_NODE := PATH="$(BIN):$$PATH"
# Node strips the types of each file once and not at every start.
export NODE_COMPILE_CACHE := $(CURDIR)/build/node-cache
# The PATH of a fresh system with these groups of setup/packages.sh: what nothing installs is missing on every machine.
fresh = PATH="$$($(BIN)/node test/fresh/main.ts $(1))" &&
ADDON := build/Release/quicproxy.node
HOST_ADDON := build/Release/quicproxy_host.node
PROBE := build/quicproxy-probe
NATIVE_SOURCES := $(shell find native -name '*.cc' -o -name '*.h' -o -name '*.def' -o -name '*.bpf.c')
CXX_FILES = $(shell git ls-files --cached --others --exclude-standard '*.cc' '*.h' '*.bpf.c')

IMAGE := build/image/quicproxy.oci.tar

.PHONY: help demo test faults faults-long test-native test-asan soak coverage e2e image cluster cluster-down lint tidy bench bench-operator fuzz generate build deps clean

help: ## Print the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: packages-lab build ## Real QUIC downloads through the proxy, in network namespaces of their own (root)
	@$(call fresh,build lab) $(BIN)/node proxy/cli/main.ts demo $(DEMO)

test: packages-native packages-lab packages-fault build build/venv/.stamp $(IMAGE) ## Every test: native, also with sanitizers; unit, network, interop (root)
	@$(BIN)/node test/run.ts

faults: packages-lab packages-fault build ## Faults made for real, and what the doctor says of each, as a table; about 4 minutes (root)
	@$(BIN)/node test/run.ts faults

faults-long: packages-lab packages-fault build ## The same, and an hour of clean load through which it has to be silent (root)
	@FAULTS_SILENCE_SECONDS=3600 $(BIN)/node test/run.ts faults

test-native: packages-native deps ## Native unit tests
	@$(BIN)/node test/run.ts native-release fuzz-replay-release

test-asan: packages-native deps ## Native unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(BIN)/node test/run.ts native-asan fuzz-replay-asan

soak: packages-native deps ## The data plane under load and reloads, under ThreadSanitizer, for SOAK_SECONDS (default 600)
	@SOAK_SECONDS=$(or $(SOAK_SECONDS),600) $(BIN)/node test/run.ts soak-tsan

coverage: packages-native deps ## Lines of native/route that native tests and fuzz corpora execute; fails below 96 %
	@$(call fresh,build native) $(BIN)/node test/coverage.ts

e2e: packages-cluster image ## The product on a real cluster of two nodes, which is started unless it runs (root)
	@$(BIN)/node test/run.ts chart e2e integration

image: $(IMAGE) ## The container image of proxy and operator as an OCI archive, build/image/quicproxy.oci.tar
	@cat $(dir $(IMAGE))quicproxy.txt

IMAGE_SOURCES := $(shell find image crds host kube process operator proxy -name '*.ts') package.json LICENSE
$(IMAGE): $(ADDON) $(HOST_ADDON) $(PROBE) $(IMAGE_SOURCES) | packages-image
	@$(call fresh,build image) $(BIN)/node image/build.ts

cluster: image ## A real Kubernetes cluster of two nodes with the product, in network namespaces (root) or by kind
	@$(BIN)/node test/cluster/up.ts

cluster-down: deps ## Takes that cluster away again
	@$(BIN)/node test/cluster/down.ts

lint: packages-lint deps ## Formatters and linters of TypeScript and C++, types, import rules
	@$(WITH_NODE) biome check .
	@$(WITH_NODE) tsc
	@$(BIN)/node test/lint/includes.ts
	@$(BIN)/node test/lint/imports.ts
	@$(call fresh,build native lint) clang-format-19 --dry-run --Werror $(CXX_FILES)
	@$(MAKE) tidy

# A folder is looked at again only when a file of it, a header or the rules changed. The largest come first: none of them runs
# alone at the end. What includes Node-API is compiled by node-gyp and has no entry among CMake's compile commands.
TIDY_BY_SIZE = $(shell du -s $(sort $(dir $(filter %.cc,$(NATIVE_SOURCES)))) | sort -rn | cut -f2)
TIDY_FOLDERS = $(filter-out native/binding native/host_binding,$(TIDY_BY_SIZE:%/=%))
TIDY_RULES := .clang-tidy test/lint/tidy.sh $(filter %.h %.def,$(NATIVE_SOURCES))

tidy: packages-lint packages-native deps ## clang-tidy over native/, as many folders at a time as there are CPUs
	@$(call fresh,build native lint) for preset in release tidy; do \
	  cmake -S native --preset $$preset --log-level=WARNING >/dev/null || exit 1; done
	@$(call fresh,build native lint) $(MAKE) --keep-going -j $(JOBS) $(TIDY_FOLDERS:%=build/tidy/%.folder)

.SECONDEXPANSION:
build/tidy/%.folder: $$(wildcard $$*/*.cc) $(TIDY_RULES)
	@mkdir -p $(@D)
	@test/lint/tidy.sh $*
	@touch $@

# One file alone; wants build/native/release configured.
build/tidy/%.stamp: %.cc $(TIDY_RULES)
	@mkdir -p $(@D)
	@test/lint/tidy.sh $<
	@touch $@

bench: packages-build packages-native packages-lab packages-bench build build/bench/udp_load build/bench/udp_echo ## CPU, latency and loss beside routing, DNAT, nginx and Baseline; about 15 minutes (root)
	@cmake -S native --preset release --log-level=WARNING >/dev/null
	@cmake --build build/native/release --target route_bench -j $(JOBS) >/dev/null
	@$(BIN)/node test/bench/run.ts $(BENCH)

bench-operator: packages-cluster deps ## The operator with 1,000 simulated nodes on a real API server; about 15 minutes
	@$(BIN)/node test/bench/operator/run.ts $(BENCH)

build/bench/%: test/bench/native/%.cc test/bench/native/udp_socket.h test/bench/native/train_batch.h
	@mkdir -p $(@D)
	c++ -std=c++20 -O2 -fno-exceptions -Wall -Wextra -Werror -o $@ $<

fuzz: packages-fuzz packages-native ## Every libFuzzer target for FUZZ_SECONDS (default 60)
	@cd native && cmake --preset fuzz >/dev/null && cmake --build --preset fuzz
	@for target in $(basename $(notdir $(wildcard test/fuzz/*_fuzz.cc))); do \
	  mkdir -p build/fuzz/$$target && echo "== $$target" && \
	  build/native/fuzz/$$target -max_total_time=$(or $(FUZZ_SECONDS),60) -print_final_stats=1 \
	    -artifact_prefix=build/fuzz/ build/fuzz/$$target test/fuzz/corpus/$${target%_fuzz} || exit 1; done

generate: deps ## Files made from the schema and the counter list
	@for program in $(wildcard crds/generate.ts proxy/*/generate.ts); do $(BIN)/node $$program || exit 1; done

build: deps $(ADDON) $(HOST_ADDON) $(PROBE) ## The addons, build/Release/*.node, and what asks a proxy for its health

deps: packages-build node_modules/.package-lock.json $(BIN)/quicproxy ## The npm packages of package-lock.json

clean: ## Remove everything that was built; node_modules stays
	@[ ! -e build/cluster/state.json ] || $(MAKE) cluster-down
	@rm -rf build

packages-%:
	@setup/packages.sh $*

node_modules/.package-lock.json: package-lock.json | packages-build
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# npm links the programs of dependencies only; with this, npx quicproxy needs no look-up.
$(BIN)/quicproxy: | node_modules/.package-lock.json
	@ln -sfn ../../proxy/cli/main.ts $@

$(ADDON) $(HOST_ADDON) &: $(NATIVE_SOURCES) binding.gyp node_modules/.package-lock.json | packages-build
	@setup/addon.sh

# Static: it starts in half the time, and the kubelet starts it all day.
$(PROBE): native/probe/probe.cc | packages-build
	@mkdir -p $(@D)
	c++ -std=c++20 -Os -fno-exceptions -fno-rtti -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -static -s -o $@ $<

build/venv/.stamp: test/interop/aioquic/requirements.txt | packages-interop
	setup/venv.sh build/venv test/interop/aioquic/requirements.txt
	@touch $@
