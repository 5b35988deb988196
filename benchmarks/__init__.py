"""Side-by-side measurements; ``python -m benchmarks --help`` says how to run them."""
