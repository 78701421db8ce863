# Everything CI runs.
test:
    cargo xtask test

# The house rules alone.
tidy:
    cargo xtask tidy

# The fuzz targets, side by side.
fuzz seconds="30":
    cargo xtask fuzz --seconds {{seconds}}

# The lab on its golden traces.
demo:
    cargo run --release --locked -- demo
