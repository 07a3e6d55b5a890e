"""How long it takes, beside other ways. Run by hand: ``python -m tests.benchmarks.compare --help``."""
