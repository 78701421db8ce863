# Everything CI runs.
test:
    cargo xtask test

# The house rules alone.
tidy:
    cargo xtask tidy

# The lab on its golden traces.
demo:
    cargo run --release --locked -- demo
