"""Names of what tests create. In an account (`python -m tests.live`) they begin with those of the run, and AWS takes its time."""

from __future__ import annotations

import os
from typing import Final

PREFIX: Final = os.environ.get("WHATSCHAT_LIVE_PREFIX", "")
"""Of the run; empty against the embedded AWS. Read once: the tests themselves have no variables of the shell."""

LONGEST_WAIT_S: Final = 300.0 if PREFIX else 60.0
"""For what happens eventually: metrics and logs of AWS take minutes."""


def own(name: str) -> str:
    """The name of a resource, which nothing else in the account has."""
    return f"{PREFIX}{name}"
