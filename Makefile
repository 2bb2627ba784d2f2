# The version of staticcheck that the code is held to.
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help build test race crash check bench fuzz cover conformance integration browser demo tour clean

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' Makefile

build: ## the binary, ./cmdq
	go build -o cmdq .

test: ## all tests that need nothing but Go
	go test ./...

race: ## the same under the race detector (needs a C compiler)
	CGO_ENABLED=1 go test -race -timeout 30m ./...

crash: ## kill cmdq 2,000 times, in the middle of 40 runs of 2,000 tasks
	go test -run '^TestCrash' -v -timeout 1h . -crash.seeds 20 -crash.tasks 2000 -crash.kills 50

check: ## gofmt, vet and staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "not gofmt'ed"; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...

bench: ## the figures of docs/benchmarks.md
	go test -run '^$$' -bench 'Match/|Nothing' -benchtime 200000x ./queue
	go test -run '^$$' -bench Memory -benchtime 1x ./queue
	go test -run '^$$' -bench Load -benchtime 5x ./task
	go test -run '^$$' -bench . ./scheduler ./mesosapi
	go test -run '^$$' -bench 'Page|Guardian' ./local
	go test -run '^$$' -bench Write ./store
	go test -run '^$$' -bench 'Load|Recover' -benchtime 1x ./store
	go test -run '^$$' -bench 'True|Journal|Executor' -benchtime 3x .

fuzz: ## half a minute for every fuzz target
	scripts/fuzz 30s

cover: ## which lines the tests reach
	go test -coverprofile=cover.out ./... && go tool cover -func=cover.out | tail -1

conformance: build ## ask the embedded Mesos the questions of scripts/conformance
	scripts/conform

integration: browser ## what needs more than Go: pymesos, msh, Chromium; installs it
	scripts/integration

browser: ## of it, only the web pages in headless Chromium
	scripts/browser

tour: build ## a session with every verb
	scripts/tour .

demo: ## a tour of 20 seconds
	scripts/demo

clean: ## what was built
	rm -f cmdq cover.out
