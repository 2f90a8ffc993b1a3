# `just` lists these; `just ci` is what CI runs.

default:
    @just --list

# The main job: a single-node cluster, penguins, model, metrics.
run *ARGS:
    cargo run -- run data/penguins/job.toml {{ARGS}}

test *ARGS:
    cargo test {{ARGS}}

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

fmt:
    cargo fmt --all

docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

deny:
    cargo deny check

release:
    cargo build --release

ci:
    bash .ci/run
