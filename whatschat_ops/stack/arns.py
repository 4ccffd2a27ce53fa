"""Where a stack is, and the ARNs of what is no kind of resource of ours. A part that does not exist yet may be a `Reference`.

A kind of resource knows its own ARN (`kinds/`).
"""

from __future__ import annotations

from msgspec import Struct

from whatschat_ops.handlers.partitions import partition_of
from whatschat_ops.provision import Reference, Text, text


class Place(Struct, frozen=True):
    """Where a stack is. `account_id` may be `*` in a policy document that is only shown."""

    region: str
    account_id: str

    @property
    def partition(self) -> str:
        """For example `aws`, `aws-us-gov` or `aws-cn`."""
        return partition_of(self.region).name

    def user(self, path: str, name: str) -> str:
        """An IAM user; `path` begins and ends with a slash."""
        return f"arn:{self.partition}:iam::{self.account_id}:user{path}{name}"

    def managed_policy(self, path_and_name: str) -> str:
        """A policy managed by AWS, for example `service-role/AWSLambdaBasicExecutionRole`."""
        return f"arn:{self.partition}:iam::aws:policy/{path_and_name}"

    def integration_uri(self, function_arn: str) -> str:
        """What an AWS_PROXY integration calls (API Gateway developer guide, websocket-api-stages)."""
        return (
            f"arn:{self.partition}:apigateway:{self.region}:lambda:path/2015-03-31/functions/"
            f"{function_arn}/invocations"
        )

    def route(self, api_id: str | Reference, stage: str, route_key: str) -> str | Text:
        """A route of a stage, as the caller of a function: API/STAGE/ROUTEKEY."""
        return self._execute_api(api_id, f"/{stage}/{route_key}")

    def connections(self, api_id: str | Reference, stage: str, method: str) -> str | Text:
        """@connections of a stage for one HTTP method."""
        return self._execute_api(api_id, f"/{stage}/{method}/@connections/*")

    def _execute_api(self, api_id: str | Reference, rest: str) -> str | Text:
        return text(f"arn:{self.partition}:execute-api:{self.region}:{self.account_id}:", api_id, rest)


class TemplatePlace(Place, frozen=True):
    """Where a stack is when that is not known yet: CloudFormation's pseudo parameters."""

    region: str = "${AWS::Region}"
    account_id: str = "${AWS::AccountId}"

    @property
    def partition(self) -> str:
        """Also a pseudo parameter."""
        return "${AWS::Partition}"
