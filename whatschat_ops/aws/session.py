"""Sessions and clients. boto3 is imported on the first client, never at import time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from whatschat_ops.aws.errors import translate
from whatschat_ops.aws.pacing import Pacing
from whatschat_ops.errors import AwsError, CredentialsError, Rejected, Unavailable
from whatschat_ops.redaction import Secret, redact


@dataclass(frozen=True, slots=True)
class AwsTarget:
    """Which AWS to talk to, and as whom. None means: as boto3 finds it (variables, profile, instance role)."""

    region: str
    profile: str | None = None
    endpoint_url: str | None = None
    access_key_id: str | None = None
    secret_access_key: Secret | None = None


@dataclass(slots=True)
class Aws:
    """Clients for one target. Thread-safe; clients are made once per service and Region."""

    target: AwsTarget
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _clients: dict[tuple[str, str, str | None], Any] = field(default_factory=dict, repr=False)
    _session: Any = field(default=None, repr=False)
    _account_id: str | None = field(default=None, repr=False)
    _pacing: Pacing = field(default_factory=Pacing, repr=False)
    _requests: int = field(default=0, repr=False)

    @property
    def requests(self) -> int:
        """How many requests were sent so far, repeated ones included."""
        return self._requests

    @property
    def region(self) -> str:
        """The Region of the stack."""
        return self.target.region

    @property
    def account_id(self) -> str:
        """The account of the caller (STS GetCallerIdentity, asked once)."""
        if self._account_id is None:
            self._account_id = str(self.client("sts").get_caller_identity()["Account"])
        return self._account_id

    def client(self, service: str, *, region: str | None = None, endpoint_url: str | None = None) -> Any:
        """A boto3 client whose every failure is an `AwsError`. `endpoint_url` overrides the target's own."""
        key = (service, region or self.target.region, endpoint_url)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._make_client(*key)
            return self._clients[key]

    def _make_client(self, service: str, region: str, endpoint_url: str | None) -> Any:
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        config = Config(
            retries={"mode": "standard", "total_max_attempts": 5},
            connect_timeout=5,
            read_timeout=60,
            max_pool_connections=32,
            user_agent_extra="whatschat-ops",
        )
        try:
            client = self._boto3_session().client(
                service,
                region_name=region,
                endpoint_url=endpoint_url or self.target.endpoint_url,
                config=config,
            )
        except BotoCoreError as error:
            raise _translate_transport("", error) from error
        except ValueError as error:  # botocore's way to refuse an endpoint URL
            raise Rejected(f"{error}.", hint="Check AWS_ENDPOINT_URL and aws.endpoint_url.") from error
        _translate_failures(client)
        client.meta.events.register("before-send", self._count)
        self._pacing.attach(client)
        return client

    def _count(self, **_: Any) -> None:
        with self._lock:
            self._requests += 1

    def _boto3_session(self) -> Any:
        if self._session is None:
            import boto3
            import botocore.session
            from botocore.exceptions import BotoCoreError

            secret = self.target.secret_access_key
            # With keys of its own a target needs no profile, not even one that AWS_PROFILE names.
            variables: dict[str, tuple[Any, ...]] = {"profile": (None, [], None, None)} if secret else {}
            try:
                self._session = boto3.Session(
                    botocore_session=botocore.session.Session(session_vars=variables),
                    profile_name=self.target.profile,
                    aws_access_key_id=self.target.access_key_id,
                    aws_secret_access_key=secret.reveal() if secret else None,
                    region_name=self.target.region,
                )
            except BotoCoreError as error:
                raise _translate_transport("", error) from error
        return self._session


def connect(target: AwsTarget) -> Aws:
    """Clients for `target`. Nothing is sent yet."""
    return Aws(target)


def _translate_failures(client: Any) -> None:
    """Raise our errors from botocore's own hooks, so that no caller needs a wrapper around a call."""

    def after_call(http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        if http_response.status_code >= 300:
            raise translate(model.name, http_response.status_code, parsed.get("Error", {}))

    def after_call_error(exception: Exception, event_name: str, **_: Any) -> None:
        raise _translate_transport(event_name.rpartition(".")[2], exception) from exception

    client.meta.events.register_last("after-call", after_call)
    client.meta.events.register("after-call-error", after_call_error)


def _translate_transport(operation: str, error: Exception) -> Exception:
    from botocore import exceptions

    what = f"{operation}: " if operation else ""
    text = redact(str(error))
    table: tuple[tuple[tuple[type[Exception], ...], Callable[[], AwsError]], ...] = (
        (
            (exceptions.NoCredentialsError, exceptions.PartialCredentialsError, exceptions.ProfileNotFound,
             exceptions.CredentialRetrievalError, exceptions.TokenRetrievalError, exceptions.UnauthorizedSSOTokenError),
            lambda: CredentialsError(
                f"{what}{text}.",
                hint="Name a profile with --profile, log in with aws sso login, or work locally with -e local.",
                operation=operation,
            ),
        ),
        (
            (exceptions.HTTPClientError, exceptions.ConnectionError),
            lambda: Unavailable(f"{what}{text}", hint="Check the network and the endpoint URL.", operation=operation),
        ),
        (
            (exceptions.BotoCoreError,),
            lambda: Rejected(f"{what}{text}", operation=operation),
        ),
    )  # fmt: skip
    for kinds, make in table:
        if isinstance(error, kinds):
            return make()
    return error
