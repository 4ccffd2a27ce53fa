"""Ways in which a stack breaks, each done for real: what `doctor` says, what fixes it, and that all is well again.

    python -m tests.breakages [--only NAME ...] [--write docs/doctor-breakages.md]

A row (`row.py`) is data: how to break the stack by calls of AWS's API, the one check that must fail, and the repair. `of_*.py` have the
rows, `table.py` lists them, `running.py` runs one on a `World` (a provisioned stack on an embedded AWS). A sample runs in the suite
(`tests/local/test_breakages.py`).
"""
