# The gate is .ci/run; the other recipes are parts of it, and tools. `just` alone lists them.

default:
    @just --list

# Everything the gate asks for.
ci:
    .ci/run

# Retired words (docs/glossary.md), and pages wider than 100 columns.
words:
    scripts/words

# Formatting.
fmt:
    cargo fmt --all --check

# Lints, warnings denied.
lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Documentation, warnings denied.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# Licences, banned crates, sources.
deny:
    scripts/deny

# Crates, cold build and binary of hello world, beside others. Ten minutes, on a machine that does nothing else.
weight *ARGS:
    scripts/weight {{ARGS}}

# All tests; installs and starts what they need.
test:
    scripts/test

# The suite on servers in containers; brings the engine and the images along.
containers:
    scripts/test-containers

# The tasks that write to users' PDSs, against a real one. The first time installs it, which takes some minutes.
pds *ARGS:
    scripts/pds
    cargo clippy --workspace --test pds --locked -- -D warnings
    cargo test --workspace --test pds --locked {{ARGS}}

# Object storage against a real S3 server. The first time installs it, which takes a moment.
s3 *ARGS:
    scripts/s3
    cargo clippy --workspace --test s3 --locked -- -D warnings
    cargo test --workspace --test s3 --locked {{ARGS}}

# The main job on the embedded default.
demo:
    cargo run --release --locked -p docket-cli -- demo

# Long runs of the reference model against both backends.
soak:
    DOCKET_MODEL_CASES=20000 cargo test --release -p conformance-tests --test model

# The figures: W1 to W10, each beside its raw floor, in turns. One table, and docs/performance/figures.json. A quarter of an hour.
bench *ARGS:
    cargo run --release --locked -p docket-bench -- run --save docs/performance/figures.json {{ARGS}}

# The same beside others: BullMQ, graphile-worker, pydocket, oxanus, apalis, graphile_worker. Installs them first.
bench-peers *ARGS:
    bench/peers/install
    cargo run --release --locked -p docket-bench -- peers --save docs/performance/peers.json {{ARGS}}

# Holds the kept figures against the bars.
bench-check:
    cargo run --release --locked -p docket-bench -- check

# Writes the kept figures into docs/performance.md, and draws its pictures.
bench-page:
    cargo run --release --locked -p docket-bench -- page

# Instructions that the pure core takes for one task, against their budget.
instruction-budget:
    scripts/instruction-budget

# Adders, workers and the store under faults drawn from a seed; seeds that failed before come first. --seed S, --minutes M,
# --store redis|postgres|memory, --faults kill,pause,… (`just chaos --help` lists them).
chaos *ARGS:
    cargo run --release --locked -p docket-chaos -- run {{ARGS}}
