"""Long attacks on the package with real processes; ``python -m benchmarks.campaigns --help`` says how to run them."""
