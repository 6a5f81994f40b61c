SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run cluster-lite cluster cluster-down images test soak ci bench bench-control dataplane fmt lint deny advisories crds setup metrics structure

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## boot two guests in two classes and show who gets what (KEEP=1 leaves them running)
	@.ci/quickstart

cluster-lite: ## demonstrate a real API server, the controller and three agents, one line per step
	@.ci/cluster-lite

cluster: ## demonstrate a real Kubernetes with KubeVirt, entropool and a VM that draws (NODES=2 for two nodes; root)
	@.ci/cluster

cluster-down: ## stop and remove everything that `make cluster` started
	@tests/cluster/cluster down --wipe

images: ## build the images that the chart names, from static programs, as archives for docker, podman and ctr
	@.ci/images

test: ## install what the tests need, and run them all
	@.ci/test

soak: ## run the counted tests with large counts, one line of JSON each (ONLY=NAME, SEED=N and COUNT=N replay one)
	@.ci/soak

ci: ## run every check that a change has to pass
	@.ci/run

bench: ## measure the data path against the raw floor, at 1, 64 and 1,000 sockets
	@.ci/bench

bench-control: ## measure the controller with 5,000 agents: an edit, a restart, one more VM
	@.ci/bench-control

dataplane: ## time a change in agent/dataplane: its build and its tests
	@.ci/dataplane

fmt: ## format the code
	@cargo fmt --all

lint: ## run clippy, with every warning an error
	@. .ci/lib.sh && clippy --workspace --all-targets --all-features

deny: ## check licences, bans, sources and RustSec's advisories of the dependencies
	@.ci/deny

advisories: ## renew the copy of RustSec's advisories that CI uses without a network (FROM=DIR, a clone of their repository)
	@.ci/advisories renew $(FROM)

crds: ## regenerate the CRDs
	@. .ci/lib.sh && compile run --package entropool-cli --bin entropool -- crds --dir deploy/crds && cp deploy/crds/*.yaml charts/entropool/files/crds/

metrics: ## regenerate docs/metrics.md and docs/controller-metrics.md
	@. .ci/lib.sh && compile run --package entropool-agent --example metrics-page > docs/metrics.md
	@. .ci/lib.sh && compile run --package entropool-controller --example controller-metrics-page > docs/controller-metrics.md

structure: ## print figures of the code: lines, functions, module circles, names, journeys (TREE=DIR measures another checkout, JSON=1)
	@. .ci/lib.sh && compile run --package entropool-structure -- $(if $(JSON),--json) $(TREE)

setup: ## install in advance what the other commands would install when they run
	@. .ci/lib.sh && .ci/packages $$BUILD_PACKAGES $$GUEST_PACKAGES $$TEST_PACKAGES $$CLUSTER_PACKAGES $$NODE_PACKAGES && .ci/kernel && .ci/kernel $$CLONED_KERNEL && .ci/kubernetes && .ci/csi-sanity && .ci/kubevirt-code && .ci/helm && .ci/kubevirt
