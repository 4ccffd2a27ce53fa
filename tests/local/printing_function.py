"""A function that prints its events, for tests of what invokes it."""

from __future__ import annotations

import json

from tests.component.local.executor_functions import make_zip
from tests.local.conftest import EmbeddedAws

SOURCE = "import json\ndef handle(event, context):\n    print(json.dumps(event))\n"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def printing_function(aws: EmbeddedAws, name: str) -> str:
    """Create the function, and a role of the same name that may write its log. Its ARN."""
    iam, functions = aws.client("iam"), aws.client("lambda")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    iam.attach_role_policy(
        RoleName=name, PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    )
    created = functions.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Handler="app.handle",
        Role=role,
        Code={"ZipFile": make_zip({"app.py": SOURCE})},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    arn: str = created["FunctionArn"]
    return arn
