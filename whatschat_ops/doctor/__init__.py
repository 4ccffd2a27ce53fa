"""Diagnoses the stack: the guide's eight troubleshooting items as checks.

All checks run, independently of each other; each gives a `CheckResult` with a fix. Nothing is changed.
"""

from whatschat_ops.doctor.check import Check, CheckResult, Status, run_checks
from whatschat_ops.doctor.guide_checks import guide_checks

__all__ = ["Check", "CheckResult", "Status", "guide_checks", "run_checks"]
