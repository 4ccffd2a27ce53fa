"""The account that is asked: who opts in and how, the names of a run, and the clients that tests get instead of the embedded AWS."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.credentials import Credentials

from tests.live.guard import Guard
from tests.live.recording import Recorder

RUN_TAG: Final = "whatschat-ops:live-run"
RUN: Final = re.compile(r"wl-([0-9a-f]{8})[0-9a-f]{4}-")
"""What every name of a run begins with: the second of its start, and a random number."""
HOW: Final = (
    "python -m tests.live run (with WHATSCHAT_LIVE_ACCOUNT, WHATSCHAT_LIVE_REGION and, unless the AWS variables have the "
    "credentials, WHATSCHAT_LIVE_PROFILE; see docs/testing.md)"
)
SETTLE_S: Final = 15.0
"""What AWS takes to apply policies, deployments and log events, which the embedded AWS applies at once."""
ROLE_PAUSE_S, ROLE_ATTEMPTS = 3.0, 10


class NotOptedInError(Exception):
    """The account, Region or credentials are not those that the variables name."""


@dataclass(frozen=True)
class OptIn:
    """What the user says in variables."""

    account: str
    region: str
    profile: str | None
    endpoint_url: str | None
    """Of an AWS that is none; the proof against the embedded AWS."""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> OptIn:
        """Raises NotOptedInError unless account and Region are named."""
        account, region = environ.get("WHATSCHAT_LIVE_ACCOUNT", ""), environ.get("WHATSCHAT_LIVE_REGION", "")
        if not re.fullmatch(r"\d{12}", account) or not region:
            raise NotOptedInError(f"The live suite asks a real AWS account. Run it with {HOW}.")
        profile, endpoint = environ.get("WHATSCHAT_LIVE_PROFILE"), environ.get("AWS_ENDPOINT_URL")
        return cls(account, region, profile or None, endpoint or None)

    def session(self) -> boto3.Session:
        """Raises NotOptedInError if its credentials are of another account."""
        session = boto3.Session(profile_name=self.profile, region_name=self.region)
        found = session.client("sts", endpoint_url=self.endpoint_url).get_caller_identity()["Account"]
        if found != self.account:
            raise NotOptedInError(
                f"The credentials are of account {found}, and WHATSCHAT_LIVE_ACCOUNT is {self.account}."
            )
        return session


def new_run(now_s: float | None = None) -> str:
    """The prefix of a new run."""
    return f"wl-{int(time.time() if now_s is None else now_s):08x}{secrets.token_hex(2)}-"


class LiveAws:
    """What `tests.local.conftest.EmbeddedAws` is for tests, in an account: guarded, tagged and recorded clients."""

    def __init__(
        self, opted: OptIn, session: boto3.Session, run: str, guard: Guard, recorder: Recorder
    ) -> None:
        self.region, self.account_id, self.run = opted.region, opted.account, run
        self.endpoint_url = opted.endpoint_url
        self.guard, self.recorder = guard, recorder
        self._session = session
        self._clients: dict[tuple[str, str | None], Any] = {}
        self._settle_s = 0.0 if opted.endpoint_url else SETTLE_S

    @property
    def credentials(self) -> Credentials:
        """Of the session, for requests that a test signs itself."""
        found = self._session.get_credentials()
        assert found is not None
        return found

    @property
    def access_key_id(self) -> str:
        """Of the session."""
        return str(self.credentials.get_frozen_credentials().access_key)

    def client(self, name: str, endpoint_url: str | None = None) -> Any:
        """A client of the session."""
        key = (name, endpoint_url)
        if key not in self._clients:
            self._clients[key] = self._made(self._session, name, endpoint_url)
        return self._clients[key]

    def client_as(
        self, access_key_id: str, secret_access_key: str, name: str, endpoint_url: str | None = None
    ) -> Any:
        """A client of a user whom the test has just created."""
        self.settle()
        keys = boto3.Session(access_key_id, secret_access_key)
        return self._made(keys, name, endpoint_url, tags=False)

    def _made(self, session: boto3.Session, name: str, endpoint_url: str | None, *, tags: bool = True) -> Any:
        client = session.client(
            name,
            region_name=self.region,
            endpoint_url=endpoint_url or self.endpoint_url,
            config=Config(retries={"mode": "standard", "total_max_attempts": 8}),
        )
        if name == "apigatewaymanagementapi":
            self.guard.require_owned("its endpoint", str(endpoint_url))
        self.guard.watch(client, tags=tags)
        self.recorder.watch(client)
        client.meta.events.register("needs-retry", _wait_for_role)
        return client

    def stage_url(self, api_id: str, stage: str) -> str:
        """The endpoint of a stage's @connections API; with `ws` for `http` its WebSocket URL."""
        endpoint = self.client("apigatewayv2").get_api(ApiId=api_id)["ApiEndpoint"]
        return f"{endpoint.replace('ws', 'http', 1)}/{stage}"

    def settle(self) -> None:
        """Let what was changed take effect."""
        time.sleep(self._settle_s)

    def environment(self) -> dict[str, str]:
        """Variables for a process of the program in this account."""
        keys = self.credentials.get_frozen_credentials()
        session = {"AWS_SESSION_TOKEN": keys.token} if keys.token else {}
        endpoint = {"AWS_ENDPOINT_URL": self.endpoint_url} if self.endpoint_url else {}
        return {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            **session,
            **endpoint,
            "AWS_ACCESS_KEY_ID": str(keys.access_key),
            "AWS_SECRET_ACCESS_KEY": str(keys.secret_key),
            "AWS_REGION": self.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_COLOR": "1",
        }


def _wait_for_role(response: Any, attempts: int, **_: Any) -> float | None:
    """A pause, in seconds, after a service that cannot assume a role yet: IAM's changes take a while."""
    message = response[1].get("Error", {}).get("Message", "") if response else ""
    unknown = re.search(r"cannot be assumed|is not authorized to assume|Invalid principal", message)
    return ROLE_PAUSE_S if unknown and attempts < ROLE_ATTEMPTS else None


Ask = Callable[[LiveAws], str]
