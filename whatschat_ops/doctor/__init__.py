"""Diagnoses the stack. Checks are data (`check.py`), found in `areas/` and listed in `catalogue.py`; nothing is changed.

`running.py` makes them side by side over shared facts (`facts.py`), which ask AWS for nothing twice (`reads.py`).
"""

from whatschat_ops.doctor.check import Check, CheckResult, Status
from whatschat_ops.doctor.facts import Facts
from whatschat_ops.doctor.running import run_checks

__all__ = ["Check", "CheckResult", "Facts", "Status", "run_checks"]
