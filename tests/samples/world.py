"""The embedded AWS of a run, processes with a time limit, and clients of deployed APIs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.local.conftest import EmbeddedAws
from tests.samples.outcome import StepFailed

STEP_S: Final = 600.0
"""No command of a sample takes longer."""

QUIET: Final[Mapping[str, str]] = {
    "SAM_CLI_TELEMETRY": "0",
    "CDK_DISABLE_CLI_TELEMETRY": "1",
    "CDK_DISABLE_VERSION_CHECK": "1",
    "SLS_TELEMETRY_DISABLED": "1",
    "SLS_NOTIFICATIONS_MODE": "off",
    "AWS_EC2_METADATA_DISABLED": "true",
    "npm_config_update_notifier": "false",
    "npm_config_fund": "false",
    "npm_config_audit": "false",
    "CI": "1",
}


@dataclass(frozen=True)
class World:
    """Where the samples run."""

    aws: EmbeddedAws
    directory: Path
    """For copies of the samples."""
    tools: Path
    checkouts: Path | None

    def copy(self, source: Path) -> Path:
        """A copy of a sample's folder, without what an earlier run may have left in it."""
        target = self.directory / source.name
        shutil.copytree(
            source, target, ignore=shutil.ignore_patterns("node_modules", ".aws-sam", "build", "cdk.out")
        )
        return target

    def run(self, *command: str, cwd: Path) -> str:
        """Run a tool in the sample's folder; its output. Raises StepFailed if it fails or takes too long."""
        environment = {**self.aws.aws_environment(), **QUIET, "PATH": self._path()}
        return run(command, cwd=cwd, environment=environment)

    def _path(self) -> str:
        own = (self.tools / "python" / "bin", self.tools / "node" / "node_modules" / ".bin")
        return os.pathsep.join([*map(str, own), os.environ["PATH"]])

    def outputs(self, stack: str) -> dict[str, str]:
        """The outputs of a CloudFormation stack."""
        (found,) = self.aws.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}

    def is_deleted(self, stack: str) -> bool:
        """Whether no stack of that name is left."""
        pages = self.aws.client("cloudformation").get_paginator("list_stacks").paginate()
        left = [row for page in pages for row in page["StackSummaries"] if row["StackName"] == stack]
        return all(row["StackStatus"] == "DELETE_COMPLETE" for row in left)

    def socket(self, url: str) -> ClientConnection:
        """A WebSocket client of `wss://API.execute-api.REGION.amazonaws.com/STAGE`: that host, at the embedded AWS's address."""
        parts = urlsplit(url)
        address = socket.create_connection(("127.0.0.1", self.aws.port), timeout=60)
        query = f"?{parts.query}" if parts.query else ""
        return connect(
            f"ws://{parts.netloc}{parts.path}{query}",
            sock=address,
            proxy=None,
            compression=None,
            open_timeout=60,
        )

    def refusal(self, url: str) -> int:
        """The status of a handshake that must be refused."""
        try:
            self.socket(url).close()
        except InvalidStatus as refused:
            return refused.response.status_code
        raise StepFailed(f"{url} was accepted")

    def post(self, url: str, **query: str) -> Any:
        """POST to `https://API.execute-api.REGION.amazonaws.com/STAGE/path`; the JSON of the answer."""
        parts = urlsplit(url)
        api = parts.netloc.partition(".")[0]
        here = f"{self.aws.endpoint_url}/_aws/execute-api/{api}{parts.path}?{urlencode(query)}"
        with build_opener(ProxyHandler({})).open(Request(here, method="POST"), timeout=60) as answer:
            return json.loads(answer.read())


def run(command: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> str:
    """Run a command in a process group of its own, which ends with it; its output. Raises StepFailed."""
    with tempfile.TemporaryFile(
        "w+", encoding="utf-8", errors="replace"
    ) as output:  # a pipe would wait for what it leaves behind
        process = subprocess.Popen(
            command, cwd=cwd, env=dict(environment), start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            process.wait(STEP_S)
        except subprocess.TimeoutExpired:
            raise StepFailed(f"{command[0]} took longer than {STEP_S:.0f} s") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        text = output.read()
    if process.returncode != 0:
        raise StepFailed(text)
    return text
