# Everything CI runs.
test:
    cargo xtask test

# The house rules alone.
tidy:
    cargo xtask tidy

# The fuzz targets, side by side.
fuzz seconds="30":
    cargo xtask fuzz --seconds {{seconds}}

# The conformance corpus, read by a reader that was written from the specification alone. Needs Python 3.11.
second-reader:
    cargo xtask second-reader

# The whole loop on a native program: capture it, record its rewrite, compare, say why they part. Needs Linux and Python 3.11.
loop:
    cargo xtask loop

# The lab on its golden traces.
demo:
    cargo run --release --locked -- demo

# Speed and size beside MCAP, Parquet and Arrow IPC, on W1 and W2 at 100,000 ticks: docs/benchmarks.md. Takes minutes.
bench *ARGS:
    cargo build --release --locked -p cdt-cli -p cdt-bench
    cargo run --release --locked -p cdt-bench -- {{ARGS}}
