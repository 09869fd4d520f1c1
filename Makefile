# Everything a person or a CI machine does with this repository. `make` lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# What ships has no C in it. Tests are compiled the same way, so that nothing is
# compiled twice; the race detector alone needs C (see tools/test.sh).
export CGO_ENABLED := 0
# A clone that belongs to somebody else must build too.
export GOFLAGS := -buildvcs=false $(GOFLAGS)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help build web guesttools guest guest-desktop demo test check bench scale soak soak-sessions fuzz judge generate clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

build: guesttools ## build the one static binary, bin/slipway, with the guest tools, and its pages where npm is there
	@mkdir -p bin
	@tools/web.sh --if-possible
	go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/slipway ./cmd/slipway

web: ## bundle the streaming pages' client, which the binary embeds
	@tools/setup.sh web
	@tools/web.sh

# What guests get on a CD; the server embeds both.
guesttools:
	GOOS=linux GOARCH=amd64 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o guest/bundle/files/slipway-guest ./cmd/slipway-guest
	GOOS=windows GOARCH=amd64 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o guest/bundle/files/slipway-guest.exe ./cmd/slipway-guest
	echo $(VERSION) > guest/bundle/files/version.txt

guest: ## make the sample guest disk; its path is the last line
	@tools/setup.sh guest
	@tools/guest/build.sh .cache/guest/disks linux

guest-desktop: ## make the graphical sample guest disk; its path is the last line
	@tools/setup.sh guest
	@tools/guest/build.sh .cache/guest/disks desktop

demo: ## install what is missing, build, and run the main job from import to export
	@tools/setup.sh run guest web
	@$(MAKE) --no-print-directory build
	@$(MAKE) --no-print-directory guest >/dev/null
	@go run -trimpath ./tools/demo $(ARGS)

test: ## install what is missing and run every test (under 15 minutes)
	@tools/setup.sh run guest web test
	@tools/test.sh

check: ## format, vet, house rules, generated files, shell scripts, static analysis
	@tools/setup.sh check
	@STATICCHECK=$(STATICCHECK) tools/check.sh

long: build guest ## the tests that boot many guests
	@tools/setup.sh run guest web test
	SLIPWAY_BIN=$(CURDIR)/bin/slipway go test -count=1 -v -timeout 60m -run '^(TestImageUpdate|TestTwoUsers|TestOnDemand|TestApplications|TestConsoleApplications|TestDesktop)$$' ./test/vm -long

bench: build guest ## measure transfers, imports, boots and the server itself
	go run ./test/bench $(ARGS)

scale: web build ## grow a server to 50,000 fake instances and 10,000 sessions; table, CSV and plot in .cache/scale
	SLIPWAY_BIN=$(CURDIR)/bin/slipway go run ./test/scale $(ARGS)

soak: build guest ## damage disk images, kill server, workers and machines at random, for a long time
	go test -count=1 -run '^TestCorruptions$$' -v ./disk/gate -corruptions 20000
	go run ./test/soak $(ARGS)

soak-sessions: web build ## kill the server and take machines away for five minutes while users stream from a fleet of fake machines
	go run ./test/soak --sessions --pause 2s $(ARGS)

fuzz: ## run every fuzz test for FUZZTIME (10m) each; FUZZ=REGEX picks some
	@tools/fuzz.sh $(or $(FUZZTIME),10m) $(FUZZ)

judge: build guest ## drive the server with outside clients; fails when one is absent
	@tools/setup.sh run judge
	@test/judge/run $(ARGS)

generate: ## write the generated files anew
	go generate ./...

clean: ## remove what was built; downloads and guests stay in .cache
	rm -rf bin guest/bundle/files/slipway-guest guest/bundle/files/slipway-guest.exe guest/bundle/files/version.txt
