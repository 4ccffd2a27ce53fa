"""The functions' role as version 0.1.0 made it: one for the stacks of all Regions of an account."""

from __future__ import annotations

import json
from typing import Any

from whatschat_ops.config import Names

POLICY = "whatschat-ops-lambda"


def make_earlier_role(iam: Any, names: Names) -> str:
    """Make it, with what the role of today may do; its name."""
    (name, *_), today = names.earlier_roles, names.lambda_role
    trust = iam.get_role(RoleName=today)["Role"]["AssumeRolePolicyDocument"]
    policy = iam.get_role_policy(RoleName=today, PolicyName=POLICY)["PolicyDocument"]
    iam.create_role(
        RoleName=name,
        Path=names.earlier_iam_path,
        AssumeRolePolicyDocument=json.dumps(trust),
        Tags=[{"Key": key, "Value": value} for key, value in names.tags.items()],
    )
    iam.put_role_policy(RoleName=name, PolicyName=POLICY, PolicyDocument=json.dumps(policy))
    return name
