# Green here means green in CI: `.ci/run` calls `make test` and nothing else.

SHELL := /bin/bash
CARGO ?= cargo
# Folder of the demo's data, model and report.
DEMO ?= demo

.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-full lint ci clean-demo

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

setup: ## Install FFmpeg's headers and a C compiler where they are missing (Debian, Ubuntu)
	@scripts/setup.sh

build: setup ## Build stdata, sttrain and steval
	$(CARGO) build --release --locked -p stdata -p sttrain -p steval

demo: build ## Synthetic data, a tiny model trained on it, scores, an HTML report
	@DEMO='$(DEMO)' scripts/demo.sh

test: setup ## Every test that takes seconds
	$(CARGO) test --workspace --release --locked

test-full: setup ## Every test, also the ones that take minutes
	$(CARGO) test --workspace --release --locked -- --include-ignored

lint: setup ## Clippy, warnings are errors
	$(CARGO) clippy --workspace --release --locked --all-targets -- -D warnings

ci: setup ## Format, lint, test, documentation: cheapest first
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --release --locked --all-targets -- -D warnings
	$(CARGO) test --workspace --release --locked
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --release --locked --no-deps

clean-demo: ## Remove the demo's folder
	rm -rf -- '$(DEMO)'
