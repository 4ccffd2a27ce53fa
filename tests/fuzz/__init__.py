"""A fuzzer of the command line: `python -m tests.fuzz`. What it does, and its figures: docs/testing.md."""
