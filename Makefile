# What a newcomer types. `make` alone lists the targets.

.DEFAULT_GOAL := help
.PHONY: help demo run test conformance compose-test bench soak bench-reconcile fuzz lint audit doc clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## play recorded Entra cycles against a private OpenLDAP, show and check what they do
	@scripts/install-needed
	@scripts/demo

run: ## keep a private OpenLDAP and scimbridge running in ./run until Ctrl-C, to try by hand
	@scripts/install-needed
	@scripts/run

# A story that is skipped because slapd is missing would look like one that passed.
test: export SCIMBRIDGE_REQUIRE_SLAPD = 1
# Differences that nobody looked for would look like none.
test: export SCIMBRIDGE_REQUIRE_ORACLE = 1
test: ## run every test; those that need a directory start their own slapd
	@scripts/install-needed
	@scripts/oracle-venv
	cargo test

conformance: ## run public SCIM conformance suites against a private OpenLDAP, tell what they skip and why
	@scripts/install-needed
	@scripts/conformance

compose-test: ## build the images, bring docker/compose.yaml up, provision, restart, take it down; needs a container engine
	@scripts/compose-test

bench: ## measure the program beside the directory alone, some 20 minutes; writes benches/RESULTS.md
	@scripts/install-needed
	cargo bench --bench pure
	cargo bench --bench bridge

soak: ## an hour of mixed load with 1,000,000 users in the store, for its memory; writes benches/SOAK.md
	@scripts/install-needed
	cargo bench --bench bridge -- soak --for 1h

bench-reconcile: ## time `reconcile --dry-run` of 100,000 users beside the same search by ldapsearch
	@scripts/install-needed
	@scripts/bench-reconcile

fuzz: ## look for inputs that the parsers do not bear; what is found becomes a seed, which `make test` replays
	@scripts/fuzz

lint: ## check the format, clippy with warnings denied, the alert rules, the examples for proxies, the container files and the systemd units
	@scripts/install-needed lint
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --all-targets -- -D warnings
	scripts/check-alerts
	@scripts/check-proxies
	@scripts/lint-docker
	@scripts/lint-systemd

audit: ## check licences, origins and known vulnerabilities of what the program is made of
	@scripts/audit

doc: export RUSTDOCFLAGS = -D warnings
doc: ## build the documentation of the sources, with warnings denied
	cargo doc --no-deps --document-private-items

clean: ## remove what was built, and ./run
	cargo clean
	rm -rf run
