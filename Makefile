SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run cluster-lite cluster cluster-down images test soak ci bench bench-control fmt lint deny crds setup metrics structure

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## boot two guests in two classes and show who gets what (KEEP=1 leaves them running)
	@.ci/quickstart

cluster-lite: ## a real API server, the controller and three agents, shown at work, a line a step
	@.ci/cluster-lite

cluster: ## a real Kubernetes with KubeVirt and entropool, and a VM that draws, a line a step (NODES=2 for two nodes; root)
	@.ci/cluster

cluster-down: ## end what `make cluster` started, and leave nothing of it
	@tests/cluster/cluster down --wipe

images: ## the images that the chart names, of static programs, as archives for docker, podman and ctr
	@.ci/images

test: ## install what the tests need, and pass them all
	@.ci/test

soak: ## the counted tests with large counts, a line of JSON each (ONLY=NAME, SEED=N and COUNT=N replay one)
	@.ci/soak

ci: ## all that must hold before a change is taken
	@.ci/run

bench: ## the data path against the raw floor, at 1, 64 and 1,000 sockets
	@.ci/bench

bench-control: ## the controller with 5,000 agents: an edit, a restart, a VM more
	@.ci/bench-control

fmt: ## format the code
	@cargo fmt --all

lint: ## clippy, with every warning an error
	@. .ci/lib.sh && clippy --workspace --all-targets --all-features

deny: ## licences, bans and sources of what we build with
	@.ci/deny

crds: ## write the generated CRDs anew
	@. .ci/lib.sh && compile run --package entropool-cli --bin entropool -- crds --dir deploy/crds

metrics: ## write docs/metrics.md and docs/controller-metrics.md anew
	@. .ci/lib.sh && compile run --package entropool-agent --example metrics-page > docs/metrics.md
	@. .ci/lib.sh && compile run --package entropool-controller --example controller-metrics-page > docs/controller-metrics.md

structure: ## figures of the code: lines, functions, module circles, names, journeys (TREE=DIR measures another checkout, JSON=1)
	@. .ci/lib.sh && compile run --package entropool-structure -- $(if $(JSON),--json) $(TREE)

setup: ## install beforehand what the other commands would install on their way
	@. .ci/lib.sh && .ci/packages $$BUILD_PACKAGES $$GUEST_PACKAGES $$TEST_PACKAGES $$CLUSTER_PACKAGES $$NODE_PACKAGES && .ci/kernel && .ci/kubernetes && .ci/csi-sanity && .ci/kubevirt-code && .ci/helm && .ci/kubevirt
