# Every habit of the repository is a target here. `make help` lists them; `make test` is what a change
# must pass.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

GO ?= go
BUILD := build
PLATFORMS := linux/amd64 linux/arm64
# Limit for the tests of one package.
TIMEOUT ?= 30m
# What `race` covers: the engine and the state backends, in the folders that exist.
RACE ?= core operator runtime hdfsstate resourcemgr internal/host internal/invariant internal/testkit
# What `sim` covers, and how many seeds each simulation runs with.
SIM ?= internal/sim runtime/minicluster resourcemgr
SEEDS ?= 300
# What `bench` and `stress` run.
PKG ?= ./...
BENCH ?= .
RUN ?= .
COUNT ?= 1

TOOLS := $(BUILD)/tools/$(shell $(GO) env GOVERSION)

# present DIRS: the package patterns of those folders that exist.
present = $(strip $(foreach d,$(1),$(if $(wildcard $(d)/.),./$(d)/...)))

.PHONY: help build test lint race sim stress bench bench-flink bench-cluster accept-engine generate check-clean \
	clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | \
		while IFS=$$'\t' read -r name what; do printf '  %-14s %s\n' "$$name" "$$what"; done

build: ## build every package, and the programs of cmd and examples, for all platforms, without cgo
	@for platform in $(PLATFORMS); do \
		echo "build $$platform"; \
		export CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/}; \
		$(GO) build -trimpath -buildvcs=false ./...; \
		for dir in cmd examples; do \
			[ -d $$dir ] || continue; \
			out=$(BUILD)/$$GOOS-$$GOARCH; [ $$dir = cmd ] || out=$$out/$$dir; \
			mains=$$($(GO) list -f '{{if eq .Name "main"}}{{.ImportPath}}{{end}}' ./$$dir/...); \
			[ -z "$$mains" ] || { mkdir -p $$out; \
				$(GO) build -trimpath -buildvcs=false -o $$out/ $$mains; }; \
		done; \
	done

test: ## all that a change must pass: lint, build, tests with invariants on, race, sim
	@$(MAKE) lint
	@$(MAKE) build
	@echo "go test (with invariants)"
	@$(GO) test -tags invariants -timeout $(TIMEOUT) ./...
	@$(MAKE) race
	@$(MAKE) sim

lint: $(TOOLS)/staticcheck ## gofmt, go vet, staticcheck and the repository's own rules (internal/lint)
	@status=0; \
	echo "gofmt"; \
	bad=$$(find . -name '*.go' -not -path './$(BUILD)/*' -not -path './bench/build/*' \
		-not -path '*/testdata/*' -print0 | xargs -0 -r gofmt -l) || status=1; \
	[ -z "$$bad" ] || { echo "not formatted, run gofmt -w on:"; echo "$$bad"; status=1; }; \
	echo "go vet"; \
	$(GO) vet ./... || status=1; \
	echo "staticcheck"; \
	$(TOOLS)/staticcheck ./... || status=1; \
	echo "go test ./internal/lint"; \
	$(GO) test -count=1 ./internal/lint/... || status=1; \
	[ $$status = 0 ] || echo "make lint: there are findings" >&2; \
	exit $$status

$(TOOLS)/staticcheck: tools/go.mod tools/go.sum
	@echo "build the pinned tools"
	@mkdir -p $(TOOLS)
	@$(GO) -C tools build -o $(abspath $(TOOLS))/ tool
	@touch $@

race: ## tests of the engine and the state backends under the race detector (needs a C compiler)
	@cc=$$($(GO) env CC); command -v "$${cc%% *}" >/dev/null || { \
		echo "make race: no C compiler: $$cc is not in PATH, and go test -race needs one" >&2; \
		exit 1; }
	@echo "go test -race"
	@CGO_ENABLED=1 $(GO) test -race -count=1 -timeout $(TIMEOUT) $(call present,$(RACE))

sim: ## simulated clusters, each with SEEDS seeds
	@pkgs="$(call present,$(SIM))"; \
	[ -n "$$pkgs" ] || { echo "sim: this tree has no simulation"; exit 0; }; \
	tests='^TestSim($$|[^a-z])'; \
	list=$$($(GO) test -tags invariants -list "$$tests" $$pkgs); \
	grep -q '^TestSim' <<<"$$list" || [ ! -d internal/sim ] || { \
		echo "make sim: no test named TestSim… in $$pkgs" >&2; exit 1; }; \
	echo "go test -run TestSim ($(SEEDS) seeds)"; \
	GOFLINK_SEEDS=$(SEEDS) $(GO) test -tags invariants -count=1 -timeout $(TIMEOUT) -run "$$tests" $$pkgs

stress: ## run the tests RUN of PKG COUNT times with invariants on (make stress PKG=./runtime/task COUNT=100)
	@$(GO) test -tags invariants -timeout $(TIMEOUT) -failfast -run '$(RUN)' -count=$(COUNT) $(PKG)

bench: $(TOOLS)/staticcheck ## benchmarks BENCH of PKG, COUNT times; compare two outputs with benchstat
	@echo "# compare: $(TOOLS)/benchstat OLD NEW" >&2
	@$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count=$(COUNT) -timeout 0 $(PKG)

bench-flink: ## the programs of bench/ against Apache Flink on this machine
	@$(GO) run ./bench/cmd/benchflink -side both -program all

bench-cluster: ## clusters of processes: start, loss, idle size, a wide job
	@$(GO) test ./bench/cluster -run '^$$' -bench . -benchtime 3x -timeout 0

accept-engine: ## what the engine demonstrably does, one PASS or FAIL line per point
	@$(GO) run ./internal/accept engine

generate: ## generate code again
	@$(GO) generate ./...

check-clean: ## fail when generated code or a go.mod is not what its source says
	@state() { git status --porcelain; git diff HEAD; }; \
	before=$$(state); $(MAKE) generate; after=$$(state); \
	[ "$$before" = "$$after" ] || { \
		echo "make generate changed the tree: commit what it makes" >&2; \
		diff <(echo "$$before") <(echo "$$after") >&2; exit 1; }
	@$(GO) mod tidy -diff
	@$(GO) -C tools mod tidy -diff

clean: ## remove what was built
	@rm -rf $(BUILD)
