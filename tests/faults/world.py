"""One embedded AWS with other people's resources in it, our program, and the proxy between the two.

Gives the three operations and their checks. What one operation leaves is where the next one starts: a cold `provision`,
an update of every kind, a `destroy`, and again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.config import Config

from tests.faults import inventory
from tests.faults.program import Ended, Program
from tests.faults.proxy import Fault, Point, Proxy, Recording
from tests.ports import free_port
from whatschat_ops.audit import AuditLog
from whatschat_ops.aws import AwsTarget, connect
from whatschat_ops.config import Names, Settings
from whatschat_ops.local import service
from whatschat_ops.local.layout import Options
from whatschat_ops.local.service import LocalService

REGION = "us-east-1"
SECRET = "a-new-secret-of-the-fault-matrix-" + "x" * 16
UPDATED = """\
websocket:
  route_selection_expression: $request.body.action
  access_logs: false
  throttling_rate_limit: 100
  integration_timeout_ms: 20000
connections: {point_in_time_recovery: true, deletion_protection: true, ttl_hours: 2}
lambda: {architecture: x86_64, memory_mb: 512, timeout_s: 20, log_retention_days: 30, log_level: DEBUG}
broadcast: {distributed: {enabled: true, workers: 4, memory_mb: 512, tolerated_failure_percentage: 5}}
monitoring: {enabled: true, emails: [oncall@example.com], thresholds: {function_errors: 9}}
"""
"""Settings that change every kind that settings can change; `drift` changes the others."""


class Operation(StrEnum):
    """What is interrupted."""

    PROVISION = "provision"
    UPDATE = "update"
    DESTROY = "destroy"


@contextmanager
def embedded_aws(directory: Path, options: Options | None = None) -> Iterator[LocalService]:
    """An embedded AWS with a state directory and a port of its own. Not from several threads at once."""
    with state_directory_of(directory):
        aws = service.ensure_running(port=free_port(), say=lambda _: None, options=options)
    try:
        yield aws
    finally:
        with state_directory_of(directory):
            service.stop()


@contextmanager
def state_directory_of(directory: Path) -> Iterator[None]:
    before = os.environ.get("WHATSCHAT_OPS_STATE_DIR")
    os.environ["WHATSCHAT_OPS_STATE_DIR"] = str(directory)
    try:
        yield
    finally:
        del os.environ["WHATSCHAT_OPS_STATE_DIR"]
        if before is not None:
            os.environ["WHATSCHAT_OPS_STATE_DIR"] = before


class World:
    """`prefix` is put before every name. Use `close` at the end; it does not stop the AWS."""

    def __init__(self, aws: LocalService, directory: Path, prefix: str) -> None:
        self.prefix = prefix
        self._aws = aws
        self._clients: dict[str, Any] = {}
        directory.mkdir(parents=True, exist_ok=True)
        self._updated = directory / "updated.yaml"
        self._updated.write_text(UPDATED)
        self.proxy = Proxy(aws.port)
        self._program = Program(self._environment(directory), directory)
        inventory.place_foreign(self.client, prefix)
        self._foreign = inventory.foreign(self.client, prefix)
        self._create_audit_table()
        self._program.until_ready()

    def _create_audit_table(self) -> None:
        """It outlives every `destroy`: so that each cycle makes the same calls, it is there before the first one."""
        secret = self._aws.secret_access_key
        target = AwsTarget(REGION, None, self._aws.endpoint_url, self._aws.access_key_id, secret)
        AuditLog(connect(target), Names(Settings.of({"prefix": self.prefix}))).ensure_table()

    def close(self) -> None:
        """End the program's server and the proxy."""
        with ExitStack() as stack:
            stack.callback(self.proxy.close)
            stack.callback(self._program.close)

    def client(self, service: str) -> Any:
        """A boto3 client of the operator, past the proxy."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self._aws.endpoint_url,
                region_name=REGION,
                aws_access_key_id=self._aws.access_key_id,
                aws_secret_access_key=self._aws.secret_access_key.reveal(),
                config=Config(retries={"total_max_attempts": 1}),
            )
        return self._clients[service]

    def run(
        self, operation: Operation, *, target: Point | None = None, fault: Fault | None = None
    ) -> tuple[Ended, Recording]:
        """Run the operation, with at most one fault. Returns when no call of it is on its way any more."""
        command = "destroy" if operation is Operation.DESTROY else "provision"
        more = ["--delete-data"] if operation is Operation.DESTROY else []
        return self._run(operation, [command, "--yes", *more], Recording(target, fault))

    def plan(self, operation: Operation) -> Ended:
        """What the operation would still do, as JSON; exit code 3 when that is anything."""
        return self._run(operation, ["plan", "--json", "--detailed-exitcode"], Recording())[0]

    def _run(
        self, operation: Operation, arguments: list[str], recording: Recording
    ) -> tuple[Ended, Recording]:
        updated = operation is not Operation.PROVISION
        self.proxy.recording = recording

        def started(pid: int) -> None:
            recording.pid = pid

        ended = self._program.run(
            [*(["--config", str(self._updated)] if updated else []), *arguments],
            {"JWT_SECRET": SECRET} if updated else {},
            started,
        )
        self.proxy.until_idle()
        if self.proxy.errors:
            raise RuntimeError("the proxy failed") from self.proxy.errors[0]
        return ended, recording

    def settings(self, operation: Operation) -> Settings:
        """What the operation is to make true."""
        updated = {} if operation is Operation.PROVISION else yaml.safe_load(UPDATED)
        return Settings.of({"prefix": self.prefix, **updated})

    def ours(self) -> inventory.Things:
        """Everything of ours, with random ids replaced."""
        return inventory.ours(self.client, self.prefix)

    def foreign_is_untouched(self) -> bool:
        """Whether other owners' resources are what they were, to the byte."""
        return inventory.foreign(self.client, self.prefix) == self._foreign

    def drift(self) -> None:
        """Change by hand what no setting changes: trust policy, permission, route, TTL attribute, a stray tag."""
        name = f"{self.prefix}whatschat-websocket-lambda-local-us-east-1"
        trust = self.client("iam").get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        trust["Statement"][0]["Sid"] = "Drifted"
        self.client("iam").update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
        place = {
            "FunctionName": f"{self.prefix}websocket-connect",
            "Qualifier": "live",
            "StatementId": "whatschat-ops-apigateway",
        }
        self.client("lambda").remove_permission(**place)
        self.client("lambda").add_permission(
            **place, Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
        )
        gateway = self.client("apigatewayv2")
        api_id = next(
            api["ApiId"]
            for api in gateway.get_apis()["Items"]
            if api["Name"] == f"{self.prefix}whatschat-websocket"
        )
        route = next(r for r in gateway.get_routes(ApiId=api_id)["Items"] if r["RouteKey"] == "$connect")
        gateway.update_route(ApiId=api_id, RouteId=route["RouteId"], AuthorizationType="AWS_IAM")
        self.client("dynamodb").update_time_to_live(
            TableName=f"{self.prefix}websocket-connections",
            TimeToLiveSpecification={"Enabled": False, "AttributeName": "ttl"},
        )

    def forget_log_role(self) -> None:
        """Undo what `destroy` keeps, so that the next provision is cold: the Region's log role."""
        iam = self.client("iam")
        self.client("apigateway").update_account(
            patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": ""}]
        )
        for policy in iam.list_attached_role_policies(RoleName=inventory.LOG_ROLE)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=inventory.LOG_ROLE, PolicyArn=policy["PolicyArn"])
        iam.delete_role(RoleName=inventory.LOG_ROLE)

    def _environment(self, directory: Path) -> Mapping[str, str]:
        return {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "WHATSCHAT_OPS_STATE_DIR": str(directory / "unused"),
            "WHATSCHAT_PREFIX": self.prefix,
            "AWS_ENDPOINT_URL": self.proxy.endpoint_url,
            "AWS_ACCESS_KEY_ID": self._aws.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self._aws.secret_access_key.reveal(),
            "AWS_REGION": REGION,
            "AWS_CONFIG_FILE": str(directory / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(directory / "none"),
            "NO_COLOR": "1",
            "COLUMNS": "120",
        }
