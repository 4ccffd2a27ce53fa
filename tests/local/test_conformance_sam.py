"""Templates with AWS's transform for serverless applications."""

from __future__ import annotations

import json

import pytest

from tests.local.conftest import EmbeddedAws

pytestmark = pytest.mark.local

TEMPLATE = {
    "Transform": "AWS::Serverless-2016-10-31",
    "Resources": {
        "Hello": {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "Runtime": "python3.13",
                "Handler": "index.handler",
                "InlineCode": "def handler(event, context): return 'hello'",
                "Policies": ["AmazonDynamoDBReadOnlyAccess", {"DynamoDBReadPolicy": {"TableName": "t"}}],
            },
        }
    },
    "Outputs": {"Name": {"Value": {"Ref": "Hello"}}},
}


@pytest.mark.aws("SAM developer guide, sam-resource-function.html")
def test_function_of_a_sam_template_has_its_role_and_runs(embedded_aws: EmbeddedAws) -> None:
    cloudformation, functions = embedded_aws.client("cloudformation"), embedded_aws.client("lambda")
    cloudformation.create_stack(
        StackName="conformance-sam",
        TemplateBody=json.dumps(TEMPLATE),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="conformance-sam", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    (stack,) = cloudformation.describe_stacks(StackName="conformance-sam")["Stacks"]
    (name,) = [output["OutputValue"] for output in stack["Outputs"]]
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    assert json.loads(functions.invoke(FunctionName=name)["Payload"].read()) == "hello"
    role = functions.get_function(FunctionName=name)["Configuration"]["Role"].rpartition("/")[2]
    attached = embedded_aws.client("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert {policy["PolicyName"] for policy in attached} == {
        "AWSLambdaBasicExecutionRole",
        "AmazonDynamoDBReadOnlyAccess",
    }
