# 'make help' explains the targets. Nothing but Go, git and make is needed for
# demo, test and build.

GO        ?= go
TESTFLAGS ?=
TIMEOUT   ?= 20m
# How many packages are tested at a time: they wait for servers as much as they compute.
PARALLEL  ?= 3

# Modules with code, as folders. The first ones are joined by go.work; the one of
# localcluster is built apart, since its replaces would hold for all.
JOINED  := . examples bench
APART   := examples/localcluster
# All packages of the joined modules, so that one 'go test' keeps every core busy.
ALL     := github.com/gitopskit/gitopskit/...
# What brings many dependencies along is a module of its own, for those who want it.
OPTIN   := source/aws source/oci/keyless source/oci/notation

BIN          := $(CURDIR)/bin
LOCALCLUSTER := $(BIN)/localcluster
LINTER       := $(BIN)/golangci-lint

# A localcluster built elsewhere may be named by the environment.
export GITOPSKIT_LOCALCLUSTER ?= $(LOCALCLUSTER)

has_code = $(if $(shell find $(1) -name '*.go' -not -path '*/localcluster/*' -print -quit),$(1))
CODE := $(foreach m,$(JOINED),$(call has_code,$(m)))

.DEFAULT_GOAL := help
.PHONY: help demo test race lint vuln bench cluster cluster-build build tidy tidy-check generate fmt clean

help: ## explain the targets
	@printf 'usage: make TARGET\n\n'
	@awk -F ':.*## ' '/^[a-z-]+%?:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(GITOPSKIT_LOCALCLUSTER) ## start a cluster and the reconciler, and show what they do (DEMO_EXIT=1 ends after the story)
	@echo "==> building the reconciler"
	@mkdir -p $(BIN)
	@cd examples && $(GO) build -o $(BIN)/reconciler ./reconciler
	@$(BIN)/reconciler demo

test: $(GITOPSKIT_LOCALCLUSTER) ## run the tests of all modules on a real API server
	@rc=0; echo "==> go test in $(CODE)"; \
	  $(GO) test -p=$(PARALLEL) -timeout=$(TIMEOUT) $(TESTFLAGS) $(ALL) || rc=1; \
	for m in $(OPTIN); do echo "==> go test in $$m"; \
	  (cd $$m && GOWORK=off $(GO) test -timeout=$(TIMEOUT) $(TESTFLAGS) ./...) || rc=1; done; \
	echo "==> go test in $(APART)"; \
	  (cd $(APART) && GOWORK=off $(GO) test -timeout=$(TIMEOUT) $(TESTFLAGS) ./internal/...) || rc=1; exit $$rc

# What these tests run are built programs, which the race detector does not see
# into; one test of the reconciler runs it in its own process.
OUT_OF_SIGHT := /(e2e|quickstart|testcluster)$$

race: $(GITOPSKIT_LOCALCLUSTER) ## the same under the race detector, as far as it sees (needs a C compiler)
	@rc=0; echo "==> go test -race in $(CODE)"; \
	  $(GO) test -race -short -p=$(PARALLEL) -timeout=$(TIMEOUT) $(TESTFLAGS) $$($(GO) list $(ALL) | grep -vE '$(OUT_OF_SIGHT)') || rc=1; \
	echo "==> go test -race of the reconciler in one process"; \
	  (cd examples && $(GO) test -race -short -timeout=$(TIMEOUT) $(TESTFLAGS) -run=TestSecondReconcile ./reconciler/e2e) || rc=1; \
	echo "==> go test -race in $(APART)"; \
	  (cd $(APART) && GOWORK=off $(GO) test -race -short -timeout=$(TIMEOUT) $(TESTFLAGS) ./internal/cluster) || rc=1; exit $$rc

lint: $(LINTER) ## run the linters of .golangci.yml over all modules
	@rc=0; for m in $(CODE); do echo "==> golangci-lint in $$m"; \
	  (cd $$m && $(LINTER) run --config=$(CURDIR)/.golangci.yml ./...) || rc=1; done; \
	for m in $(OPTIN); do echo "==> golangci-lint in $$m"; \
	  (cd $$m && GOWORK=off $(LINTER) run --config=$(CURDIR)/.golangci.yml ./...) || rc=1; done; \
	echo "==> golangci-lint in $(APART)"; \
	  (cd $(APART) && GOWORK=off $(LINTER) run --config=$(CURDIR)/.golangci.yml ./...) || rc=1; exit $$rc

vuln: ## look for known vulnerabilities (asks vuln.go.dev)
	@cd tools && GOWORK=off $(GO) build -o $(BIN)/govulncheck golang.org/x/vuln/cmd/govulncheck
	@set -e; for m in $(CODE); do echo "==> govulncheck in $$m"; (cd $$m && $(BIN)/govulncheck ./...); done
	@set -e; for m in $(OPTIN); do echo "==> govulncheck in $$m"; (cd $$m && GOWORK=off $(BIN)/govulncheck ./...); done

bench: $(GITOPSKIT_LOCALCLUSTER) ## run the benchmarks, ours and those against peers
	@set -e; for m in $(CODE); do echo "==> benchmarks in $$m"; \
	  (cd $$m && $(GO) test -run='^$$' -bench=. -benchmem -timeout=2h $(TESTFLAGS) ./...); done

bench-render: ## rendering against fluxcd/pkg/kustomize and Helm; fails where a promise is not kept
	@cd bench && $(GO) run ./render

compat-sops: ## check that SOPS itself and render/sops read each other's files (builds the SDKs of clouds: minutes)
	@cd bench/sops && GOWORK=off $(GO) test -count=1 ./...

bench-%: $(GITOPSKIT_LOCALCLUSTER) ## run one folder of bench/, as in bench-ssa
	@cd bench && $(GO) test -run='^$$' -bench=. -benchmem -timeout=2h $(TESTFLAGS) ./$*/...

cluster: $(GITOPSKIT_LOCALCLUSTER) ## start a Kubernetes control plane here and keep it running until Ctrl-C
	@$(GITOPSKIT_LOCALCLUSTER) up $(ARGS)

cluster-build: $(LOCALCLUSTER) ## build bin/localcluster (minutes the first time)

build: $(LOCALCLUSTER) ## compile everything and put the programs into bin/
	@set -e; for m in $(CODE); do echo "==> go build in $$m"; (cd $$m && $(GO) build ./... && $(GO) vet ./...); done
	@set -e; for m in $(OPTIN); do echo "==> go build in $$m"; (cd $$m && GOWORK=off $(GO) build ./... && GOWORK=off $(GO) vet ./...); done

tidy: ## tidy the go.mod of every module
	@tools/tidy.sh

tidy-check: ## fail if 'make tidy' would change something
	@tools/tidy.sh --check

generate: ## write the definitions of the reconciler's kinds from their Go types
	@mkdir -p $(BIN)
	@cd tools && GOWORK=off $(GO) build -o $(BIN)/crdgen ./crdgen
	@$(BIN)/crdgen -dir examples -package ./reconciler/internal/api -out examples/reconciler/internal/crds

fmt: ## format all Go files
	@gofmt -l -w $$(git ls-files --cached --others --exclude-standard '*.go')

clean: ## remove bin/
	@rm -rf $(BIN)

$(LOCALCLUSTER): $(shell find examples/localcluster -not -name '*_test.go' -type f \( -name '*.go' -o -name '*.yaml' -o -name 'go.*' -o -name build.sh \))
	@examples/localcluster/build.sh $@

$(LINTER): tools/go.mod
	@echo "==> building golangci-lint (minutes the first time)"
	@mkdir -p $(BIN)
	@cd tools && GOWORK=off $(GO) build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
