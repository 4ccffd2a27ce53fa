"""ARNs, from a Region, an account and names. Pure; a part that does not exist yet may be a `Reference`."""

from __future__ import annotations

from dataclasses import dataclass

from whatschat_ops.provision import Reference, Text, text


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stack is. `account_id` may be `*` in a policy document that is only shown."""

    region: str
    account_id: str

    @property
    def partition(self) -> str:
        """`aws`, `aws-us-gov` or `aws-cn`."""
        if self.region.startswith("us-gov-"):
            return "aws-us-gov"
        return "aws-cn" if self.region.startswith("cn-") else "aws"

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:{resource}"

    def table(self, name: str) -> str:
        """A DynamoDB table."""
        return self._arn("dynamodb", f"table/{name}")

    def table_index(self, table: str, index: str) -> str:
        """An index of a table."""
        return self._arn("dynamodb", f"table/{table}/index/{index}")

    def function(self, name: str, qualifier: str | None = None) -> str:
        """A Lambda function, or a version or alias of it."""
        return self._arn("lambda", f"function:{name}" + (f":{qualifier}" if qualifier else ""))

    def log_group(self, name: str) -> str:
        """A log group (without the `:*` that some APIs append)."""
        return self._arn("logs", f"log-group:{name}")

    def parameter(self, name: str) -> str:
        """An SSM parameter; its name begins with a slash."""
        return self._arn("ssm", f"parameter/{name.lstrip('/')}")

    def role(self, path: str, name: str) -> str:
        """An IAM role; `path` begins and ends with a slash."""
        return f"arn:{self.partition}:iam::{self.account_id}:role{path}{name}"

    def user(self, path: str, name: str) -> str:
        """An IAM user; `path` begins and ends with a slash."""
        return f"arn:{self.partition}:iam::{self.account_id}:user{path}{name}"

    def managed_policy(self, path_and_name: str) -> str:
        """A policy managed by AWS, for example `service-role/AWSLambdaBasicExecutionRole`."""
        return f"arn:{self.partition}:iam::aws:policy/{path_and_name}"

    def bucket(self, name: str) -> str:
        """An S3 bucket. Its objects are `bucket(name)/key`."""
        return f"arn:{self.partition}:s3:::{name}"

    def state_machine(self, name: str) -> str:
        """A Step Functions state machine."""
        return self._arn("states", f"stateMachine:{name}")

    def execution(self, state_machine: str, name: str) -> str:
        """An execution of a state machine. Those of a Distributed Map's items are of `machine/label`."""
        return self._arn("states", f"execution:{state_machine}:{name}")

    def map_run(self, state_machine: str, rest: str) -> str:
        """A Map Run: `rest` is `label:id`."""
        return self._arn("states", f"mapRun:{state_machine}/{rest}")

    def integration_uri(self, function_arn: str) -> str:
        """What an AWS_PROXY integration calls (API Gateway developer guide, websocket-api-stages)."""
        return (
            f"arn:{self.partition}:apigateway:{self.region}:lambda:path/2015-03-31/functions/"
            f"{function_arn}/invocations"
        )

    def api(self, api_id: str) -> str:
        """An API in API Gateway's control plane (tags use it; there is no account in it)."""
        return f"{self.api_gateway}/apis/{api_id}"

    @property
    def api_gateway(self) -> str:
        """The root of API Gateway's control plane in the Region; paths of its HTTP API follow."""
        return f"arn:{self.partition}:apigateway:{self.region}::"

    def route(self, api_id: str | Reference, stage: str, route_key: str) -> str | Text:
        """A route of a stage, as the caller of a function: API/STAGE/ROUTEKEY."""
        return self._execute_api(api_id, f"/{stage}/{route_key}")

    def connections(self, api_id: str | Reference, stage: str, method: str) -> str | Text:
        """@connections of a stage for one HTTP method."""
        return self._execute_api(api_id, f"/{stage}/{method}/@connections/*")

    def _execute_api(self, api_id: str | Reference, rest: str) -> str | Text:
        return text(f"arn:{self.partition}:execute-api:{self.region}:{self.account_id}:", api_id, rest)
