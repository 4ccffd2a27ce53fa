"""Rows about IAM: the functions' role and the operator."""

from __future__ import annotations

import json
from typing import Any, Final

from tests.breakages.row import Breakage, Repair
from tests.breakages.world import World

OTHER_POLICY: Final = "set-by-others"
BOUNDARY: Final = "narrow-boundary"
OPERATOR: Final = "operator"


def statement(effect: str, *actions: str) -> str:
    """A policy of one statement, on everything."""
    found = {"Effect": effect, "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [found]})


def own_policy(world: World) -> str:
    """The name of the stack's policy in the functions' role."""
    role = world.names.lambda_role
    return str(world.client("iam").list_role_policies(RoleName=role)["PolicyNames"][0])


def delete_policy(world: World) -> None:
    world.client("iam").delete_role_policy(RoleName=world.names.lambda_role, PolicyName=own_policy(world))


def narrow_policy(world: World) -> None:
    """Without the permission to post to connections."""
    role, policy = world.names.lambda_role, own_policy(world)
    document: dict[str, Any] = world.client("iam").get_role_policy(RoleName=role, PolicyName=policy)[
        "PolicyDocument"
    ]
    kept = [each for each in document["Statement"] if "execute-api" not in json.dumps(each["Action"])]
    assert len(kept) < len(document["Statement"])
    narrowed = json.dumps({**document, "Statement": kept})
    world.client("iam").put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=narrowed)


def deny(world: World) -> None:
    world.client("iam").put_role_policy(
        RoleName=world.names.lambda_role,
        PolicyName=OTHER_POLICY,
        PolicyDocument=statement("Deny", "dynamodb:PutItem"),
    )


def stop_denying(world: World) -> None:
    world.client("iam").delete_role_policy(RoleName=world.names.lambda_role, PolicyName=OTHER_POLICY)


def distrust(world: World) -> None:
    """The role can be assumed by EC2 alone."""
    principal = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [principal]})
    world.client("iam").update_assume_role_policy(RoleName=world.names.lambda_role, PolicyDocument=trust)


def set_boundary(world: World) -> None:
    made = world.client("iam").create_policy(
        PolicyName=BOUNDARY, PolicyDocument=statement("Allow", "logs:*", "ssm:*")
    )
    arn = world.kept[BOUNDARY] = made["Policy"]["Arn"]
    world.client("iam").put_role_permissions_boundary(
        RoleName=world.names.lambda_role, PermissionsBoundary=arn
    )


def remove_boundary(world: World) -> None:
    world.client("iam").delete_role_permissions_boundary(RoleName=world.names.lambda_role)
    world.client("iam").delete_policy(PolicyArn=world.kept.pop(BOUNDARY))


def limit_operator(world: World) -> None:
    world.client("iam").put_user_policy(
        UserName=OPERATOR,
        PolicyName=OTHER_POLICY,
        PolicyDocument=statement("Deny", "lambda:PublishVersion"),
    )


def free_operator(world: World) -> None:
    world.client("iam").delete_user_policy(UserName=OPERATOR, PolicyName=OTHER_POLICY)


ROWS: Final = (
    Breakage("The policy of the functions' role was deleted", "permissions", delete_policy, "WS032"),
    Breakage(
        "execute-api:ManageConnections was taken out of the role's policy",
        "permissions",
        narrow_policy,
        "WS032",
    ),
    Breakage(
        "Another policy of the role denies dynamodb:PutItem",
        "permissions",
        deny,
        "WS031",
        Repair("`aws iam delete-role-policy`", stop_denying),
    ),
    Breakage("The role trusts EC2 instead of Lambda", "permissions", distrust, "WS033"),
    Breakage(
        "A permissions boundary was set on the role",
        "permissions",
        set_boundary,
        "WS037",
        Repair("`aws iam delete-role-permissions-boundary`", remove_boundary),
    ),
    Breakage(
        "A policy denies lambda:PublishVersion to the operator",
        "permissions",
        limit_operator,
        "ST020",
        Repair("`aws iam delete-user-policy`", free_operator),
        warns=True,
    ),
)
