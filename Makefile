.DEFAULT_GOAL := help
.PHONY: help test ci fmt lint deny setup

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## install what the tests need, and pass them all
	@.ci/test

ci: ## all that must hold before a change is taken
	@.ci/run

fmt: ## format the code
	@cargo fmt --all

lint: ## clippy, with every warning an error
	@. .ci/lib.sh && cargo clippy --workspace --all-targets --all-features -- -D warnings

deny: ## licences, bans and sources of what we build with
	@.ci/deny

setup: ## install what `make run` and `make test` would install on their way
	@. .ci/lib.sh && .ci/packages $$BUILD_PACKAGES $$GUEST_PACKAGES

SHELL := /bin/bash
