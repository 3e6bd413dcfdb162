# "make" lists the targets. Whatever is longer than two lines lives in .ci/.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BUILD := go build -trimpath -ldflags "-s -w -X github.com/heysubinoy/remora/bootstrap.Version=$(VERSION)"
PROGRAMS := bin/remora bin/remora-api bin/remora-worker bin/remora-queue bin/remora-client
FUZZTIME ?= 10s

.PHONY: help need build man run test race contract fuzz golden docs lint bench bench-api bench-db e2e check fmt env clean $(PROGRAMS)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

need:
	@.ci/need.sh

build: $(PROGRAMS) ## build the five programs into bin/

bin/remora: need
	$(BUILD) -o $@ ./cmd/remora

bin/remora-api bin/remora-worker bin/remora-queue bin/remora-client: bin/remora-%: need
	$(BUILD) -o $@ ./cmd/$*

man: bin/remora ## write the manual pages into bin/man1
	bin/remora man bin/man1

run: build ## build, then start everything in one process with three demo servers
	bin/remora up --demo

test: ## install what the tests need where that is allowed, run all of them, say what was skipped and why
	@.ci/test.sh

race: need ## every test under the race detector
	go test -race ./...

contract: need ## the contract suites on every adapter
	go test -count=1 ./adapters/...

fuzz: need ## every fuzz target for FUZZTIME (10s)
	@.ci/fuzz.sh $(FUZZTIME)

golden: need ## write the golden files anew; look at the difference before you commit it
	go test ./test/golden/... -update

docs: need ## write docs/API.md anew from the OpenAPI document
	go test ./adapters/httpapi/openapi -run TestMarkdown -update

lint: need ## gofmt, go vet and golangci-lint
	@.ci/lint.sh

bench: build ## jobs per second and latency, beside a floor without Remora
	go test -run '^$$' -bench . -benchtime 1x -timeout 30m ./test/bench/...

bench-api: need ## the API beside a bare Echo handler with the same statements, and a thousand readers of one job
	go test -run '^$$' -bench '^BenchmarkAPI' -benchtime 1x -timeout 30m ./test/bench

bench-db: need ## lists, searches and counts of REMORA_BENCH_JOBS (1000000) jobs on both databases, beside those of 1,000
	go test -run '^$$' -bench BenchmarkLists -benchtime 1x -timeout 60m ./adapters/sqlstore

e2e: build ## the built programs against real servers
	go test -count=1 -timeout 20m ./test/e2e/...

check: lint test ## all that must hold before a change is sent

fmt: ## format the Go files
	gofmt -w $$(git ls-files '*.go')

env: ## write .env with random secrets for docker compose; never in place of one
	@.ci/env.sh

clean: ## remove what was built; data/ stays
	rm -rf bin
