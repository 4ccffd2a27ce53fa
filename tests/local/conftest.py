"""One embedded AWS for all tests that need one: `embedded_aws`. It has its own port and state directory."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port
from whatschat_ops.local import service
from whatschat_ops.local.own_api import AttendanceResult, set_attendance
from whatschat_ops.local.service import LocalService
from whatschat_ops.redaction import Secret

REGION = "us-east-1"


@dataclass(frozen=True)
class EmbeddedAws:
    """A running embedded AWS and how to reach it."""

    endpoint_url: str
    port: int
    pid: int
    access_key_id: str
    secret_access_key: Secret
    state_directory: Path
    """Value of WHATSCHAT_OPS_STATE_DIR."""
    region: str = REGION
    account_id: str = "000000000000"
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False, compare=False)

    def stage_url(self, api_id: str, stage: str) -> str:
        """The endpoint of a stage's @connections API; with `ws` for `http` its WebSocket URL."""
        return f"{self.endpoint_url}/_aws/execute-api/{api_id}/{stage}"

    def settle(self) -> None:
        """Changes take effect at once. An account (`tests.live`) waits here."""

    @property
    def credentials(self) -> Any:
        """Of the operator, for requests that a test signs itself."""
        from botocore.credentials import Credentials

        return Credentials(self.access_key_id, self.secret_access_key.reveal())

    def client(self, name: str, endpoint_url: str | None = None) -> Any:
        """A boto3 client of the operator."""
        key = (name, endpoint_url or self.endpoint_url)
        if key not in self._clients:
            secret = self.secret_access_key.reveal()
            self._clients[key] = self.client_as(self.access_key_id, secret, name, endpoint_url)
        return self._clients[key]

    def client_as(
        self,
        access_key_id: str,
        secret_access_key: str,
        name: str,
        endpoint_url: str | None = None,
        session_token: str | None = None,
    ) -> Any:
        """A boto3 client of another user, without retries."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            name,
            endpoint_url=endpoint_url or self.endpoint_url,
            region_name=self.region,
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            aws_session_token=session_token,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def attend(self, meeting: str, user: str, action: str = "attend") -> AttendanceResult:
        """Connect (`attend`) or disconnect (`leave`, `drop`) an attendee of a Chime meeting."""
        running = LocalService(
            self.endpoint_url,
            self.access_key_id,
            self.secret_access_key,
            self.pid,
            self.port,
            started=False,
        )
        return set_attendance(running, meeting, user, action)

    def environment(self) -> dict[str, str]:
        """Variables for a process that runs `whatschat-ops -e local`."""
        return {
            **{
                name: os.environ[name]
                for name in ("PATH", "HOME", "LANG", "VIRTUAL_ENV")
                if name in os.environ
            },
            "WHATSCHAT_OPS_STATE_DIR": str(self.state_directory),
            "WHATSCHAT_LOCAL_PORT": str(self.port),
            "AWS_CONFIG_FILE": os.devnull,  # a profile's Region would win over the default one
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_COLOR": "1",
            "COLUMNS": "120",
        }

    def aws_environment(self) -> Mapping[str, str]:
        """Variables that point any AWS client here."""
        return {
            **self.environment(),
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key.reveal(),
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
        }


def started(state_directory: Path, found: LocalService) -> EmbeddedAws:
    """The result of `ensure_running`, as the tests use it."""
    return EmbeddedAws(
        endpoint_url=found.endpoint_url,
        port=found.port,
        pid=found.pid,
        access_key_id=found.access_key_id,
        secret_access_key=found.secret_access_key,
        state_directory=state_directory,
    )


@pytest.fixture(scope="session")
def embedded_aws(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedAws]:
    """An embedded AWS for the whole test session. Tests share it: use unique names.

    Under `python -m tests.live` it is the account that is asked, which has the same methods.
    """
    account: Any = request.config.pluginmanager.get_plugin("live-account")
    if account is not None:
        yield account.aws
        return
    state_directory = tmp_path_factory.mktemp("embedded-aws")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WHATSCHAT_OPS_STATE_DIR", str(state_directory))
        found = service.ensure_running(port=free_port(), say=lambda _: None)
    try:
        yield started(state_directory, found)
    finally:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("WHATSCHAT_OPS_STATE_DIR", str(state_directory))
            service.stop()


@pytest.fixture
def own_aws(tmp_path: Path, clean_environment: None) -> Iterator[EmbeddedAws]:
    """An embedded AWS of one test, which may stop, kill or reset it. In-process calls of `service` find it."""
    found = service.ensure_running(port=free_port(), say=lambda _: None)
    try:
        yield started(tmp_path / "state", found)
    finally:
        service.stop()


@pytest.fixture
def meeting_ledger(embedded_aws: EmbeddedAws) -> Iterator[str]:
    """The name of an empty ledger of Chime meetings, of one test."""
    table, dynamodb = f"chime-{uuid.uuid4().hex[:8]}", embedded_aws.client("dynamodb")
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "meetingId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "meetingId", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield table
    dynamodb.delete_table(TableName=table)


NODE_CLIENTS = (
    "@aws-sdk/client-apigatewaymanagementapi@3",
    "@aws-sdk/client-chime-sdk-meetings@3",
    "@aws-sdk/client-dynamodb@3",
    "wscat@6",
)


@pytest.fixture(scope="session")
def node_clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with other clients from npm: the JavaScript SDK v3 and wscat."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node.js or npm is not installed")
    folder = tmp_path_factory.mktemp("node-clients")
    command = [npm, "install", "--no-audit", "--no-fund", "--silent", *NODE_CLIENTS]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=170, check=False)
    if installed.returncode != 0:
        pytest.skip(f"npm cannot install the clients: {installed.stderr.strip()[-200:]}")
    return folder


@pytest.fixture
def ledger_config(
    embedded_aws: EmbeddedAws, meeting_ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The configuration file of an environment with that ledger, for commands that run in this process."""
    for name, value in embedded_aws.environment().items():
        monkeypatch.setenv(name, value)
    config = tmp_path / "local.yaml"
    config.write_text(f"chime:\n  ledger_table_name: {meeting_ledger}\n", encoding="utf-8")
    return config
