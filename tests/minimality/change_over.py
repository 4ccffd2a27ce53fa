"""A stack of version 0.1.0 changes over: its role goes, because no Region uses it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.earlier_role import make_earlier_role
from tests.minimality.removal import Broken
from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.stack.stack import Stack
from whatschat_ops.stack.waiting import Waiting

HURRIED = Waiting(sleep=lambda seconds: time.sleep(min(seconds, 1.0)))
"""Does not wait for the calls of functions, of which there are none."""


def change_over(settings: Settings, admin: Callable[[str], Any], aws: Aws) -> None:
    """Raises Broken if the role is kept."""
    names, iam = Names(settings), admin("iam")
    role = make_earlier_role(iam, names)
    stack = Stack(settings, aws, waiting=HURRIED)
    plan = stack.plan()
    stack.apply(plan)
    roles = iam.list_roles(PathPrefix=names.earlier_iam_path)["Roles"]
    if role in [found["RoleName"] for found in roles]:
        (why,) = (step.kept for step in plan if step.address == f"role.orphan/{role}")
        raise Broken("change over", f"{role} is kept: {why}")
