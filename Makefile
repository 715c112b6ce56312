# Every target says what it does: make help.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

CACHE := $(CURDIR)/.cache
LINT_VERSION := v2.15.0
LINT := $(CACHE)/golangci-lint-$(LINT_VERSION)
CODEGEN := go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen
GENERATED := server client # package P comes from api/P.cfg.yaml and lies in gen/P/P.gen.go

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "%-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## Start the server on 127.0.0.1:8080 (settings: HASHD_… variables)
	go run ./cmd/hashd

.PHONY: build
build: ## Build a static binary into bin/
	CGO_ENABLED=0 go build -trimpath -o bin/hashd ./cmd/hashd

.PHONY: generate
generate: ## Regenerate gen/ from api/openapi.yaml
	@for p in $(GENERATED); do $(CODEGEN) -config api/$$p.cfg.yaml -o gen/$$p/$$p.gen.go api/openapi.yaml; done

.PHONY: test
test: generate-check lint test-race test-mapped ## Run every check there is: what CI runs

.PHONY: generate-check
generate-check: ## Fail if gen/ is not what api/openapi.yaml generates
	@mkdir -p $(CACHE)
	@for p in $(GENERATED); do \
		$(CODEGEN) -config api/$$p.cfg.yaml -o $(CACHE)/$$p.gen.go api/openapi.yaml; \
		diff -u gen/$$p/$$p.gen.go $(CACHE)/$$p.gen.go || { echo "gen/ is stale: run make generate"; exit 1; }; \
	done
	@echo "generate-check: gen/ is what api/openapi.yaml generates"

.PHONY: lint
lint: $(LINT) ## Lint with the rules of .golangci.yml
	$(LINT) run ./...

$(LINT):
	@mkdir -p $(CACHE)/install
	GOBIN=$(CACHE)/install go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	mv $(CACHE)/install/golangci-lint $@

.PHONY: test-race
test-race: ## Run all tests with the race detector and print the coverage of internal/
	@mkdir -p $(CACHE)
	go test -race -shuffle=on -timeout 10m -coverpkg=./internal/... -coverprofile=$(CACHE)/cover.out ./...
	@awk -f .ci/coverage.awk $(CACHE)/cover.out

.PHONY: test-mapped
test-mapped: ## Run the engine's tests on mapped memory, which the race detector cannot watch
	go test -shuffle=on -timeout 5m ./internal/engine/...

.PHONY: fuzz
fuzz: ## Fuzz each target for a minute
	@for target in $$(grep -rhoE '^func Fuzz[A-Za-z0-9]+' --include='*_test.go' internal | sed 's/func //' | sort -u); do \
		package=$$(grep -rlE "^func $$target\(" --include='*_test.go' internal | xargs -n1 dirname); \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime 60s ./$$package; \
	done

.PHONY: screenshot
screenshot: ## Take the picture of /docs anew
	@mkdir -p docs/images
	go test ./cmd/hashd -run TestSwaggerUI -count 1 -screenshot $(CURDIR)/docs/images/swagger-ui.png

.PHONY: bench
bench: ## Measure against the goals and the baseline, as ratios taken in this run
	go run ./cmd/bench all

.PHONY: burst
burst: ## Submit 10,000 and then 10,000,000 jobs within the delay and verify every hash
	go run ./cmd/bench burst

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf bin $(CACHE)
