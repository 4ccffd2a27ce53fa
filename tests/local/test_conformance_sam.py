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


CHOICE = """
Parameters:
  Choice:
    Type: String
    Default: false
    AllowedValues: [true, false]
Conditions:
  Chosen: !Equals [true, !Ref Choice]
Resources:
  Kept:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Value: !Ref Choice}
  Conditional:
    Type: AWS::SSM::Parameter
    Condition: Chosen
    Properties: {Type: String, Value: !Ref Choice}
"""


@pytest.mark.aws(
    "CloudFormation user guide, parameters-section-structure.html: a parameter's value is a string"
)
@pytest.mark.parametrize(("given", "created"), [("true", 2), ("false", 1), (None, 1)])
def test_parameter_is_compared_with_booleans_as_text(
    embedded_aws: EmbeddedAws, given: str | None, created: int
) -> None:
    cloudformation = embedded_aws.client("cloudformation")
    stack = f"conformance-choice-{given}"
    parameters = [{"ParameterKey": "Choice", "ParameterValue": given}] if given else []
    cloudformation.create_stack(StackName=stack, TemplateBody=CHOICE, Parameters=parameters)
    waiter = cloudformation.get_waiter("stack_create_complete")
    waiter.wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    resources = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    assert len(resources) == created
    name = next(row["PhysicalResourceId"] for row in resources if row["LogicalResourceId"] == "Kept")
    assert embedded_aws.client("ssm").get_parameter(Name=name)["Parameter"]["Value"] == (given or "false")


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
