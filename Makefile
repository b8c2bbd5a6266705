# Tidemark: `make dev DIR=/some/tree` runs it, `make test` proves it.
DIR ?= .

.PHONY: dev build test ci bench soak soak-outage chaos fmt clean help

help:
	@echo "make dev [DIR=/some/tree]  install what is missing, build, catalogue DIR and follow its changes"
	@echo "make test                  install what is missing, run every test"
	@echo "make chaos [CHANGES=N SEED=N] random changes to live trees; then nodes, books and disk are equal"
	@echo "make build                 target/debug/tidemark"
	@echo "make ci                    format, lints, tests, documentation"
	@echo "make bench                 benchmarks, each beside its raw engine"
	@echo "make soak [SOAK_SECONDS=60]  seeded schedules of faults: a model, and the real processes"
	@echo "make soak-outage           one minute without Redis under load: lag and memory"
	@echo "make clean                 remove what was built"

dev: build
	target/debug/tidemark dev $(DIR)

build:
	@scripts/setup
	cargo build --locked --package tidemark

test:
	@scripts/setup --test
	cargo nextest run --locked --workspace --no-fail-fast

# Random changes by ordinary tools, as many as wanted.
chaos:
	@scripts/setup --test
	TIDEMARK_CHAOS_CHANGES=$(or $(CHANGES),30000) TIDEMARK_CHAOS_SEED=$(or $(SEED),1) \
		cargo nextest run --locked --package tidemark --no-capture chaos::

ci:
	@scripts/setup --test
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --locked --workspace --no-deps --document-private-items
	$(MAKE) --no-print-directory test

bench:
	@scripts/setup
	cargo run --locked --release --package bench -- $(BENCH_ARGS)

# SOAK_SECONDS: begin nothing more after so long. SOAK_SEEDS, SOAK_SCHEDULES: at most so many seeds
# of the model and schedules of the real processes. SOAK_SEED: the one seed to run again.
soak:
	@scripts/setup --test
	cargo build --locked --package tidemark --package soak
	target/debug/soak run $(if $(SOAK_SECONDS),--seconds $(SOAK_SECONDS)) $(if $(SOAK_SEEDS),--seeds $(SOAK_SEEDS)) \
	  $(if $(SOAK_SCHEDULES),--schedules $(SOAK_SCHEDULES)) $(if $(SOAK_SEED),--seed $(SOAK_SEED)) $(SOAK_ARGS)

soak-outage:
	@scripts/setup --test
	cargo build --locked --release --package tidemark --package soak
	target/release/soak outage $(SOAK_ARGS)

fmt:
	cargo fmt --all

clean:
	cargo clean
