"""Open-loop load with a verdict: ``python -m loadtest run --help``."""
