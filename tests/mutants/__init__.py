"""Faults planted by hand, one at a time, and whether the tests find them: `python -m tests.mutants`."""
