"""What is wrong with the stack, and how to mend it: the guide's eight troubleshooting items as checks.

Every check runs, whatever the others say; each gives a `CheckResult` with the way out. Nothing is changed.
"""

from whatschat_ops.doctor.check import Check, CheckResult, Status, run_checks
from whatschat_ops.doctor.guide_checks import guide_checks

__all__ = ["Check", "CheckResult", "Status", "guide_checks", "run_checks"]
