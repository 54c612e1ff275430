# The recipes are what CI runs. `just` alone lists them.

default:
    @just --list

# Everything the gate asks for.
ci: fmt lint docs deny test containers

# Formatting.
fmt:
    cargo fmt --all --check

# Lints, warnings denied.
lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Documentation, warnings denied.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# Licences, duplicate providers, sources. (Advisories need a database from the network: `cargo deny check advisories`.)
deny:
    cargo deny --locked check bans licenses sources

# All tests; installs and starts what they need.
test:
    scripts/test

# The suite on servers in containers; brings the engine and the images along.
containers:
    scripts/test-containers

# The main job on the embedded default.
demo:
    cargo run --release --bin docket -- demo

# Long runs of the reference model against both backends.
soak:
    DOCKET_MODEL_CASES=20000 cargo test --release -p conformance-tests --test model
