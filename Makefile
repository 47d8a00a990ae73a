# What a person types. Each target installs what it needs and is not there (Debian packages, as root or with sudo).

.PHONY: demo test quick release check contract client fuzz login model simulate mutants soak poolers toolchain

# Moves a tenant with tens of thousands of items and files from us to eu, on two embedded regions. ARGS="--items 100000" for more.
demo: toolchain
	cargo run --quiet --package realmctl -- demo $(ARGS)

# All tests, on SQLite and on a temporary Postgres, the movers also on a second implementation of both stores (ministack); both are
# started here and end with the tests. Most tests wait at times, so that more of them run at once than there are cores. Prints the ten
# slowest tests. SUITES=REGEX for some of the binaries; REALMCTL_ALL_STATES=1 for crashes in every state on both databases.
test: toolchain
	testkit/with-postgres testkit/with-ministack testkit/suites

# Only what a change touches: what differs from BASE (the last commit), in about a minute once everything is built.
quick: toolchain
	BASE="$(BASE)" testkit/with-postgres testkit/with-ministack testkit/quick

# The production binary, without `demo`, `dev` and `bench`, and its debug information beside it: with both files in one folder,
# backtraces have lines.
release: toolchain
	cargo build --release --package realmctl --no-default-features
	cd "$${CARGO_TARGET_DIR:-target}/release" && objcopy --only-keep-debug realmctl realmctl.debug && \
	    objcopy --strip-all --add-gnu-debuglink=realmctl.debug realmctl realmctl.stripped && mv realmctl.stripped realmctl && \
	    ls -l realmctl realmctl.debug

# Format, lints, licences and sources of dependencies.
check: toolchain
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets --quiet -- --deny warnings
	cargo clippy --package realmctl --no-default-features --quiet -- --deny warnings
	cargo deny --version >/dev/null 2>&1 || cargo install --quiet --locked --debug cargo-deny@0.20.2
	cargo deny check licenses bans sources

# Asks the API whatever its OpenAPI document allows, and much that it does not, as each role and as nobody: some 20,000 requests.
# CASES=N for more or fewer examples of each operation.
contract: toolchain
	cargo build --quiet --package realmctl
	testkit/contract

# Generates a client from the OpenAPI document and moves a tenant with it, in a playground.
client: toolchain
	cargo build --quiet --package realmctl
	testkit/generated-client

# Signs in with Chromium at an OpenID Connect provider, looks at what may be done, and tries what must be refused.
login: toolchain
	cargo build --quiet --package realmctl
	testkit/login

# Checks the protocol's model in every order of events and prints what was explored (docs/model.md). Part of `make test`.
model: toolchain
	cargo test --quiet --package model -- --nocapture

# Real processes on a Postgres pair, faults without pause, clients that write all the time; about eight minutes. ARGS="--faults 10 --moves 5" for
# less, ARGS="--seed N" for the faults of an earlier run, ARGS="--store sqlite" (or postgres-session-pooler, postgres-transaction-pooler)
# for another catalogue. Under with-postgres, so that Postgres is there.
soak: toolchain
	cargo build --quiet --package realmctl --package acceptance --bins
	case "$(ARGS)" in *pooler*) command -v pgbouncer >/dev/null || testkit/install-packages pgbouncer ;; esac
	testkit/with-postgres target/debug/soak $(ARGS)

# Some of the tests, and the demo, with the catalogue behind PgBouncer, in each of the modes that are supported.
poolers: toolchain
	for mode in session transaction; do \
	    echo "with PgBouncer in $$mode mode"; \
	    testkit/with-postgres testkit/with-pgbouncer $$mode cargo test --workspace --quiet --test acceptance -- --test-threads 3 \
	        --skip ::sqlite store_contract:: exact_copy:: one_active_move:: || exit 1; \
	    testkit/with-postgres testkit/with-pgbouncer $$mode sh -c \
	        'cargo run --quiet --package realmctl -- demo --items 2000 --objects 100 --store "$$REALMCTL_TEST_POOLER"' || exit 1; \
	done

# Plays SEEDS seeds of the deterministic simulator and prints what they hit (docs/simulator.md); REALMCTL_SEED=N plays one and
# prints its trace. `make test` plays a few.
simulate: toolchain
	REALMCTL_SEEDS=$(or $(SEEDS),10000) cargo test --workspace --quiet --test simulator -- --nocapture

# Broken topologies, locations, bodies, headers, cursors, tokens, arguments, exports and files, 120 times as many as `make test` tries; prints how many. N=1000 for
# other numbers.
fuzz: toolchain
	REALMCTL_FUZZ=$(or $(N),120) cargo test --workspace --quiet --test fuzz -- --nocapture
	REALMCTL_FUZZ=$(or $(N),120) cargo test --workspace --quiet --test http fuzz:: -- --nocapture
	REALMCTL_FUZZ=$(or $(N),120) cargo test --workspace --quiet --bin realmctl fuzz:: -- --nocapture

# Plants one bug at a time and counts the seeds until the simulator finds it. Takes about half an hour. ARGS="no_fence" for one.
mutants: toolchain
	testkit/mutants/run $(ARGS)

# Rust brings no C compiler, and SQLite, ring and BLAKE3 need one. The documents' commands use curl.
toolchain:
	@command -v cc >/dev/null || testkit/install-packages gcc libc6-dev
	@command -v curl >/dev/null || testkit/install-packages curl
