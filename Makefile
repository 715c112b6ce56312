# Every target says what it does: make help.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Build tags, here and in the Dockerfile: none for Echo v4, echo5 for Echo v5. This line is the switch.
TAGS :=
export GOFLAGS := $(strip $(GOFLAGS) $(addprefix -tags=,$(TAGS)))

# The toolchain that go.mod names, or the installed one if that is newer, for what is built and for all tests of it.
export GOTOOLCHAIN := auto

CACHE := $(CURDIR)/.cache
pinned = $(or $(shell awk -F'"' '$$1 ~ /^\t$(1) *= $$/ {print $$2}' tools.go),$(error tools.go pins no $(1)))
LINT_VERSION := $(call pinned,golangciLint)
LINT := $(CACHE)/golangci-lint-$(LINT_VERSION)
OASDIFF_VERSION := $(call pinned,oasdiff)
OASDIFF := $(CACHE)/oasdiff-$(OASDIFF_VERSION)
GOVULNCHECK_VERSION := $(call pinned,govulncheck)
GOVULNCHECK := $(CACHE)/govulncheck-$(GOVULNCHECK_VERSION)
CYCLONEDX_VERSION := $(call pinned,cyclonedx)
CYCLONEDX := $(CACHE)/cyclonedx-gomod-$(CYCLONEDX_VERSION)
GORELEASER_VERSION := $(call pinned,goreleaser)
GORELEASER := $(CACHE)/goreleaser-$(GORELEASER_VERSION)
# Lists of what is installed beside them, written when all of it is.
PYTHON := $(CACHE)/venv/requirements.txt
REDOCLY := $(CACHE)/redocly/node_modules/.package-lock.json
AXE := $(CACHE)/axe/node_modules/.package-lock.json
OGEN := $(CACHE)/ogen
MANIFESTS := $(CACHE)/manifests
IMAGE := $(CACHE)/image
CHECKERS := $(PYTHON) $(OGEN)
ASSURANCE := $(GOVULNCHECK) $(CYCLONEDX) $(GORELEASER) $(MANIFESTS) $(IMAGE)
TELL := .ci/tell
CODEGEN := go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen

# The Go code of the contract, into the folder $(1). That of the server is for each version of Echo.
define GENERATE_GO
	@mkdir -p $(1)/server $(1)/client
	@$(CODEGEN) -config api/server.cfg.yaml -o $(1)/server/models.gen.go api/openapi.yaml
	@$(CODEGEN) -config api/server.cfg.yaml -generate echo-server,strict-server -o $(1)/server/echo4.gen.go api/openapi.yaml
	@$(CODEGEN) -config api/server.cfg.yaml -generate echo5-server,strict-server -o $(1)/server/echo5.gen.go api/openapi.yaml
	@$(CODEGEN) -config api/client.cfg.yaml -o $(1)/client/client.gen.go api/openapi.yaml
endef

# What the tests have left out, shown at the end of make test.
SKIPPED := $(CACHE)/skipped

# The TypeScript client. Its targets need Node 20 or later with npm; without it they say that
# they do nothing, except in CI, where nothing may be skipped.
TS := client/ts
TS_TOOLS := $(TS)/node_modules/.package-lock.json
PAGE := internal/page
PAGE_TOOLS := $(PAGE)/node_modules/.package-lock.json
NEED_NODE = mkdir -p $(CACHE); command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || \
	{ echo "$@: no Node 20 with npm: install them (https://nodejs.org) for the TypeScript client" | tee -a $(SKIPPED); [ "$${CI:-}" != true ]; exit; }

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "%-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## Start the server on 127.0.0.1:8080 (settings: HASHD_… variables)
	go run ./cmd/hashd

.PHONY: build
build: ## Build static binaries of hashd and hashctl into bin/
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/hashd ./cmd/hashctl

.PHONY: generate
generate: $(TS_TOOLS) $(PAGE_TOOLS) ## Regenerate gen/ from api/openapi.yaml, and what the live page has of others
	$(call GENERATE_GO,gen)
	@$(NEED_NODE); cd $(TS) && npm run --silent generate && npm run --silent build && cd ../../$(PAGE) && npm run --silent generate

# The packages that differ from the main branch, or from the last commit on it.
CHANGED = base=$$(git merge-base HEAD origin/main 2>/dev/null || git merge-base HEAD main 2>/dev/null || git rev-parse HEAD); \
	{ git diff --name-only --diff-filter=d $$base; git ls-files --others --exclude-standard; } | \
	sed -nE '/testdata|^\.ci\//d; s,^(.*)/[^/]*\.go$$,./\1,p' | sort -u

.PHONY: check
check: $(LINT) ## Format, vet, lint of changed packages, tests that run no other program: in less than a minute
	@bad=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard --deduplicate '*.go' | xargs -r ls 2>/dev/null || true)); \
		[ -z "$$bad" ] || { echo "not formatted (gofmt -w):"; echo "$$bad"; exit 1; }
	@$(TELL) "vet" go vet ./...
	@changed=$$($(CHANGED)); [ -z "$$changed" ] || $(TELL) "lint of changed packages" $(LINT) run --allow-parallel-runners $$changed
	@$(TELL) "tests" go test -short ./...

.PHONY: test
test: no-skips generate-check test-ts test-page test-race test-mapped test-echo5 ## Run every test, and list what was skipped
	@if [ -s $(SKIPPED) ]; then echo "skipped:"; sort -u $(SKIPPED) | sed 's/^/  /'; else echo "nothing was skipped"; fi

.PHONY: no-skips
no-skips:
	@mkdir -p $(CACHE) && rm -f $(SKIPPED)

.PHONY: generate-check
generate-check: $(TS_TOOLS) build-ts $(PAGE_TOOLS) ## Fail if gen/ is not what api/openapi.yaml generates, or the live page's parts of others are not theirs
	@echo "generate-check: generating anew"; rm -rf $(CACHE)/gen
	$(call GENERATE_GO,$(CACHE)/gen)
	@diff <(cd gen && find . -name '*.gen.go' | sort) <(cd $(CACHE)/gen && find . -name '*.gen.go' | sort) && \
		(cd $(CACHE)/gen && find . -name '*.gen.go') | while read -r f; do diff -u "gen/$$f" "$(CACHE)/gen/$$f" || exit; done || \
		{ echo "gen/ is stale: run make generate"; exit 1; }
	@$(NEED_NODE); rm -rf $(CACHE)/ts && cd $(TS) && GENERATED=$(CACHE)/ts npm run --silent generate && \
		diff -ru ../../gen/ts $(CACHE)/ts || { echo "gen/ts is stale: run make generate"; exit 1; }
	@$(NEED_NODE); rm -rf $(CACHE)/page && cd $(PAGE) && GENERATED=$(CACHE)/page npm run --silent generate && \
		for part in client uplot; do diff -ru -x '*client.d.ts' static/$$part $(CACHE)/page/$$part || \
		{ echo "$(PAGE)/static/$$part is stale: run make generate"; exit 1; }; done
	@echo "generate-check: gen/ is what api/openapi.yaml generates"

.PHONY: figures
figures: ## Print how long functions and files are, and what is exported without a comment
	@go run ./test/arch/figures

.PHONY: lint
lint: $(LINT) lint-api breaking vet-elsewhere ## Lint the code and the contract, and prove that the checks of the contract can fail
	@$(TELL) "lint by the rules of .golangci.yml" $(LINT) run --allow-parallel-runners ./...
	.ci/gotest -count 1 ./test/linters

# Without test/, whose tests send signals that Windows does not have.
.PHONY: vet-elsewhere
vet-elsewhere: ## Vet the code as Windows and macOS have it
	@for on in windows/amd64 darwin/arm64; do \
		export GOOS=$${on%/*} GOARCH=$${on#*/}; $(TELL) "vet for $$on" go vet $$(go list ./... | grep -v /test/) || exit; \
	done

$(LINT):
	@mkdir -p $(CACHE)/install
	@GOBIN=$(CACHE)/install $(TELL) "building golangci-lint $(LINT_VERSION)" go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	mv $(CACHE)/install/golangci-lint $@

.PHONY: lint-api
lint-api: $(REDOCLY) ## Lint api/openapi.yaml with the rules of api/redocly.yaml
	.ci/lint-api

.PHONY: breaking
breaking: $(OASDIFF) ## Fail if api/openapi.yaml changed more than its version tells
	OASDIFF=$(OASDIFF) .ci/breaking

$(OASDIFF):
	@mkdir -p $(CACHE)/install
	@GOBIN=$(CACHE)/install $(TELL) "building oasdiff $(OASDIFF_VERSION)" go install github.com/oasdiff/oasdiff@$(OASDIFF_VERSION)
	mv $(CACHE)/install/oasdiff $@

$(GOVULNCHECK):
	@mkdir -p $(CACHE)/install
	@GOBIN=$(CACHE)/install $(TELL) "building govulncheck $(GOVULNCHECK_VERSION)" go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	mv $(CACHE)/install/govulncheck $@

$(CYCLONEDX):
	@mkdir -p $(CACHE)/install
	@GOBIN=$(CACHE)/install $(TELL) "building cyclonedx-gomod $(CYCLONEDX_VERSION)" go install -trimpath github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX_VERSION)
	mv $(CACHE)/install/cyclonedx-gomod $@

.PHONY: sbom
sbom: build $(CYCLONEDX) ## List the modules in bin/hashd and bin/hashctl, as CycloneDX files beside them
	for name in hashd hashctl; do CYCLONEDX=$(CYCLONEDX) .ci/sbom bin/$$name; done

.PHONY: image
image: $(IMAGE) ## Build bin/hashd-image.tar, the image of a release, without a container engine
	@mkdir -p bin
	IMAGE=$(IMAGE) .ci/build-image bin/hashd-image.tar

.PHONY: push-image
push-image: image ## Build the image and push it to the names in TO, such as TO=ghcr.io/hashd-project/hashd:2.0.0
	$(IMAGE) push bin/hashd-image.tar $(or $(TO),$(error TO names no image))

$(GORELEASER):
	@mkdir -p $(CACHE)/install
	@GOBIN=$(CACHE)/install $(TELL) "building goreleaser $(GORELEASER_VERSION)" go install github.com/goreleaser/goreleaser/v2@$(GORELEASER_VERSION)
	mv $(CACHE)/install/goreleaser $@

.PHONY: release
release: $(GORELEASER) $(CYCLONEDX) ## Tag the commit as VERSION, such as VERSION=v2.0.0-rc.1, and make all of that release in dist/, twice
	CYCLONEDX=$(CYCLONEDX) GORELEASER=$(GORELEASER) .ci/release $(or $(VERSION),$(error VERSION names no version))

.PHONY: publish
publish: $(GORELEASER) $(CYCLONEDX) ## Make the release of the tag that is checked out, and publish it: what CI does with a tag
	CYCLONEDX=$(CYCLONEDX) GORELEASER=$(GORELEASER) .ci/publish

.PHONY: vulncheck
vulncheck: $(GOVULNCHECK) ## Check with the newest database that nothing in the binaries has a known vulnerability
	VULNDB=latest go test -count 1 -v -run '^TestNoKnownVulnerabilities$$' ./test/assurance

.PHONY: vulndb
vulndb: ## Pin the newest vulnerability database in tools.go
	version=$$(cd / && go list -m -f '{{.Version}}' golang.org/x/vulndb@latest) && \
		sed -i.old -E "s/^const vulndb = .*/const vulndb = \"$$version\"/" tools.go && rm tools.go.old

# With all that the clients which it generates are built of.
$(OGEN): .ci/generators/ogen/go.mod .ci/generators/ogen/go.sum
	@$(TELL) "building ogen" sh -c 'cd $(<D) && go mod download && go build -o $@ github.com/ogen-go/ogen/cmd/ogen && touch $@'

$(MANIFESTS): .ci/manifests/go.mod .ci/manifests/go.sum .ci/manifests/main.go
	@$(TELL) "building the reader of Kubernetes manifests" sh -c 'cd $(<D) && go build -o $@ . && touch $@'

$(IMAGE): .ci/image/go.mod .ci/image/go.sum $(wildcard .ci/image/*.go)
	@$(TELL) "building the maker of images" sh -c 'cd $(<D) && go build -o $@ . && touch $@'

$(PYTHON): .ci/requirements.txt
	python3 -m venv --clear $(@D)
	@$(TELL) "installing Python packages" $(@D)/bin/pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r $<
	cp $< $@

$(REDOCLY): .ci/redocly/package-lock.json
	mkdir -p $(CACHE)/redocly
	cp .ci/redocly/package.json $< $(CACHE)/redocly
	@cd $(CACHE)/redocly && ../../$(TELL) "installing redocly" npm ci --silent --ignore-scripts --no-audit --no-fund
	touch $@

# What finds barriers in the live page. Without npm the tests that need it are skipped, except in CI.
$(AXE): .ci/axe/package-lock.json
	@mkdir -p $(CACHE)/axe && cp .ci/axe/package.json $< $(CACHE)/axe
	@$(NEED_NODE); cd $(CACHE)/axe && $(CURDIR)/$(TELL) "installing axe-core" npm ci --silent --ignore-scripts --no-audit --no-fund && touch $@

.PHONY: test-browser
test-browser: $(AXE) ## Test the pages that hashd serves in Chromium and Firefox
	go test -count 1 -timeout 10m ./test/browser

.PHONY: test-checks
test-checks: $(CHECKERS) $(REDOCLY) $(OASDIFF) ## Run Schemathesis and foreign generators' clients against the server, and prove that each check of the contract can fail
	go test -count 1 -v -run '^Test(Schemathesis|SchemathesisFinds|UnfollowedLinkIsFound|ContractIsHeld|ClientOf|ForeignClientsFind|Breaking|LintAPI)' ./internal/contracttest ./test/e2e ./test/linters

$(TS_TOOLS): $(TS)/package-lock.json
	@$(NEED_NODE); cd $(TS) && ../../$(TELL) "installing npm packages of $(TS)" npm ci --ignore-scripts --no-audit --no-fund && touch node_modules/.package-lock.json

.PHONY: build-ts
build-ts: $(TS_TOOLS) ## Build the TypeScript client into client/ts/dist/
	@$(NEED_NODE); cd $(TS) && ../../$(TELL) "building the TypeScript client" npm run --silent build

.PHONY: pack-ts
pack-ts: $(TS_TOOLS) ## Pack the TypeScript client into bin/, to install from there
	@$(NEED_NODE); mkdir -p bin && cd $(TS) && mv "$$(npm pack --silent)" ../../bin/hashd-client.tgz

$(PAGE_TOOLS): $(PAGE)/package-lock.json
	@$(NEED_NODE); cd $(PAGE) && ../../$(TELL) "installing npm packages of $(PAGE)" npm ci --ignore-scripts --no-audit --no-fund && touch node_modules/.package-lock.json

.PHONY: test-page
test-page: build-ts $(PAGE_TOOLS) ## Check the types of the live page's modules and test those that know no browser
	@$(NEED_NODE); cd $(PAGE) && npm test --silent

.PHONY: test-ts
test-ts: $(TS_TOOLS) ## Test the TypeScript client against the real binary
	@$(NEED_NODE); cd $(TS) && npm test --silent

# Go tests run the quick starts of the TypeScript client. The end-to-end tests mostly wait, so they begin first: the others
# run beside them.
.PHONY: test-race
test-race: build-ts $(CHECKERS) $(ASSURANCE) $(AXE) ## Run all tests with the race detector and print the coverage of internal/
	@mkdir -p $(CACHE)
	.ci/gotest -race -shuffle=on -timeout 30m -coverpkg=./internal/... -coverprofile=$(CACHE)/cover.out ./test/e2e $$(go list ./... | grep -vE '/test/(linters|e2e)$$')
	@awk -f .ci/coverage.awk $(CACHE)/cover.out

.PHONY: test-mapped
test-mapped: ## Run the engine's tests on mapped memory, which the race detector cannot watch
	.ci/gotest -shuffle=on -timeout 5m $$(go list ./internal/engine/... | grep -v /jetstream)

.PHONY: test-echo5
test-echo5: ## Test the server, and the binary in a session and a drain, with Echo v5
	@! go list -tags echo5 -deps ./cmd/hashd | grep labstack/echo/v4
	go vet -tags echo5 ./gen/server ./internal/server ./internal/service ./cmd/hashd
	.ci/gotest -tags echo5 -timeout 5m -run . ./internal/server ./internal/service
	.ci/gotest -tags echo5 -timeout 5m -run '^(TestGoClient|TestDrain)$$' ./test/e2e

.PHONY: chaos
chaos: ## Break servers and disks again and again under load, and say what became of each job
	go test -count 1 -timeout 30m -v ./test/e2e -run 'TestKills|TestFullDisk|TestFailingDisk|TestSynced|TestPowerCuts' -kill-rounds 50 -power-cuts 5000
	go test -count 1 -timeout 30m -v ./internal/engine/jetstream -run 'TestLeader|TestServerAway|TestJobsOfALostInstance|OnThreeServers' -chaos

FUZZTIME := 60s

.PHONY: fuzz
fuzz: ## Fuzz each target for a minute (FUZZTIME)
	@grep -rnoE '^func Fuzz[A-Za-z0-9]+' --include='*_test.go' client cmd internal | sed -E 's,^(.*)/[^/]*:func (.*)$$,\1 \2,' | sort -u | \
		while read -r package target; do \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s "./$$package" </dev/null; \
		done

.PHONY: screenshot
screenshot: ## Take the pictures of the pages anew
	@mkdir -p docs/images
	go test ./test/browser -run '^(TestSwaggerUI|TestPictures)$$' -count 1 -screenshots $(CURDIR)/docs/images

.PHONY: requirements
requirements: ## Pin the newest of what .ci/requirements.in asks for
	python3 -m venv --clear $(CACHE)/pip-tools
	$(CACHE)/pip-tools/bin/pip install --quiet pip-tools==7.6.2
	cd .ci && CUSTOM_COMPILE_COMMAND="make requirements" $(CACHE)/pip-tools/bin/pip-compile --quiet --upgrade \
		--generate-hashes --allow-unsafe --strip-extras --no-emit-options requirements.in

.PHONY: bench
bench: ## Measure in 14 minutes at most all that docs/benchmarks.md tells; INTO=docs/benchmarks.md puts it there
	go run ./cmd/bench all -runs 3 -jobs 2000000 -timeout 14m $(if $(INTO),-into $(INTO))

.PHONY: burst
burst: ## Submit 10,000 and then 10,000,000 jobs within the delay and verify every hash
	go run ./cmd/bench burst

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf bin $(CACHE) $(addprefix $(TS)/,dist build node_modules src/generated LICENSE) $(PAGE)/node_modules
