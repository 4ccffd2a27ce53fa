"""Whether the functions may do what they do."""

from __future__ import annotations

from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.doctor.areas.stack import THERE
from whatschat_ops.doctor.check import Check, Finding, fail, judge_permissions, of
from whatschat_ops.errors import PROVISION, Hint, NotFound
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.attachments import Principal
from whatschat_ops.stack.iam_check import check_permissions
from whatschat_ops.stack.outputs import read_outputs
from whatschat_ops.stack.policies import policy_of


def iam(settings: Settings, aws: Aws) -> Finding:
    """The functions' role allows the calls of the handlers."""
    names = Names(settings)
    api_id = read_outputs(settings, aws).api_id or "*"
    document = policy_of("lambda", settings, Place(aws.region, aws.account_id), api_id)
    try:
        found = check_permissions(aws, "lambda", Principal("role", names.lambda_role), document)
    except NotFound:
        return fail(f"The role {names.lambda_role} does not exist.", PROVISION)
    fix = Hint(("iam", "attach", "lambda", "--role", names.lambda_role), "Provision the stack, or")
    return judge_permissions(found, fix)


CHECKS: Final = (
    Check("WS031", "websocket.iam", "Do the functions have their permissions?", of(iam), (*THERE, "WS001")),
)
