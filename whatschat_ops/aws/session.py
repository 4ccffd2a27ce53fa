"""Sessions and clients. botocore is imported on the first client, never at import time."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from whatschat_ops import __version__
from whatschat_ops.aws.answers import answer_of
from whatschat_ops.aws.errors import CHECK_ENDPOINT, not_aws, translate
from whatschat_ops.aws.foreign import Operation, foreign
from whatschat_ops.aws.identity import AskCode, identity_of, no_terminal, rejected_keys
from whatschat_ops.aws.pacing import Pacing
from whatschat_ops.errors import CredentialsError, OpsError, Rejected, Unavailable
from whatschat_ops.redaction import Secret, redact

if TYPE_CHECKING:
    from whatschat_ops.aws.user_session import UserSession

READS: Final = (
    "BatchGet", "Describe", "Filter", "Get", "Head", "List", "Lookup", "Query", "Scan", "Search", "Simulate",
)  # fmt: skip
"""How the names of operations begin that change nothing."""


class AwsTarget(Struct, frozen=True):
    """Which AWS to talk to, and with which credentials. None means: as botocore finds it (variables, profile, instance role)."""

    region: str
    profile: str | None = None
    endpoint_url: str | None = None
    access_key_id: str | None = None
    secret_access_key: Secret | None = None


@dataclass(slots=True)
class Aws:
    """Clients for one target. Thread-safe; clients are made once per service and Region."""

    target: AwsTarget
    ask_code: AskCode = no_terminal
    attempts: int = 5
    """How often a call is sent at most."""
    read_timeout_s: float = 60
    before_change: Callable[[], None] = field(default=lambda: None, repr=False)
    """Called before each request that may change something, in the thread that sends it."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _clients: dict[tuple[str, str, str | None], Any] = field(default_factory=dict, repr=False)
    _session: UserSession | None = field(default=None, repr=False)
    _account_id: str | None = field(default=None, repr=False)
    _caller_arn: str | None = field(default=None, repr=False)
    _pacing: Pacing = field(default_factory=Pacing, repr=False)
    _counting: threading.Lock = field(default_factory=threading.Lock, repr=False)
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
            self._ask_who()
        return str(self._account_id)

    @property
    def caller_arn(self) -> str:
        """Who the caller is (STS GetCallerIdentity, asked once; needs no permission)."""
        if self._caller_arn is None:
            self._ask_who()
        return str(self._caller_arn)

    @property
    def credentials_origin(self) -> str:
        """Where the credentials come from, for example `the profile 'staging'`."""
        return str(identity_of(self.botocore_session()))

    def _ask_who(self) -> None:
        identity = self.client("sts").get_caller_identity()
        self._account_id, self._caller_arn = str(identity["Account"]), str(identity["Arn"])

    def learn_account(self, account_id: str) -> None:
        """Told by an answer of AWS in which account the caller is; STS is not asked any more."""
        self._account_id = account_id

    def client(self, service: str, *, region: str | None = None, endpoint_url: str | None = None) -> Any:
        """A boto3 client whose every failure is an `AwsError`. `endpoint_url` overrides the target's own."""
        key = (service, region or self.target.region, endpoint_url)
        if (client := self._clients.get(key)) is not None:
            return client
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._make_client(*key)
            return self._clients[key]

    def close(self) -> None:
        """Close the connections of all shared clients: they refer to themselves, so that Python would keep them for long."""
        with self._lock:
            clients = list(self._clients.values())
            self._clients.clear()
        for client in clients:
            client.close()

    def new_client(self, service: str) -> Any:
        """A client that is not shared, for callers that change its hooks."""
        with self._lock:
            return self._make_client(service, self.target.region, None)

    def _make_client(self, service: str, region: str, endpoint_url: str | None) -> Any:
        from botocore.exceptions import BotoCoreError

        try:
            session = self.botocore_session()
            client = session.create_client(
                service,
                region_name=region,
                endpoint_url=endpoint_url or self._own_endpoint(service),
                config=_client_config(session, self.attempts, self.read_timeout_s),
            )
        except BotoCoreError as error:
            raise translate_transport("", error, self.botocore_session()) from error
        except ValueError as error:  # botocore's way to refuse an endpoint URL
            raise Rejected(f"{error}.", hint="Check AWS_ENDPOINT_URL and aws.endpoint_url.") from error
        _translate_failures(client, session)
        call = client._make_api_call
        client._make_api_call = lambda operation, values: answer_of(operation, call(operation, values))
        client.meta.events.register("before-send", self._count)
        client.meta.events.register("before-call", self._announce)
        self._pacing.attach(client)
        return client

    def _own_endpoint(self, service: str) -> str | None:
        """The target's endpoint, unless a variable names one for this service: variables win over a configuration file."""
        if self.target.secret_access_key or self.target.endpoint_url is None:
            return self.target.endpoint_url
        if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
            return self.target.endpoint_url
        return None if os.environ.get(_variable_of(service)) else self.target.endpoint_url

    def _announce(self, model: Any, **_: Any) -> None:
        if not model.name.startswith(READS):
            self.before_change()

    def _count(self, **_: Any) -> None:
        with self._counting:  # not the other one: while a client is made, those that are there go on
            self._requests += 1

    def sign_in(self) -> None:
        """Get the credentials now if that needs an MFA code: later, a thread might have to ask for it. Raises CredentialsError."""
        if self.target.secret_access_key is None and identity_of(self.botocore_session()).mfa_device:
            signing = self.botocore_session().get_credentials()
            signing.get_frozen_credentials()

    def botocore_session(self) -> UserSession:
        """The session, made on first use. For this package only."""
        if self._session is None:
            from botocore.exceptions import BotoCoreError

            from whatschat_ops.aws.loading import direct_loader
            from whatschat_ops.aws.user_session import UserSession

            secret = self.target.secret_access_key
            # With keys of its own a target needs no profile, not even one that AWS_PROFILE names.
            variables: dict[str, tuple[Any, ...]] = {"profile": (None, [], None, None)} if secret else {}
            session = UserSession(variables, self.target.profile, self.ask_code)
            session.set_config_variable("region", self.target.region)
            try:
                session.get_scoped_config()  # a profile that does not exist is refused now
                session.register_component("data_loader", direct_loader(session))
            except BotoCoreError as error:
                raise session.explained(error) from error
            if secret:
                session.set_credentials(self.target.access_key_id, secret.reveal())
            self._session = session
        return self._session


def _variable_of(service: str) -> str:
    """AWS_ENDPOINT_URL_<SERVICE>, where the service is its id (AWS SDKs and Tools Reference Guide, "Service-specific endpoints")."""
    from botocore.utils import CLIENT_NAME_TO_HYPHENIZED_SERVICE_ID_OVERRIDES as IDS

    return f"AWS_ENDPOINT_URL_{IDS.get(service, service).replace('-', '_').upper()}"


def connect(target: AwsTarget, ask_code: AskCode = no_terminal) -> Aws:
    """Clients for `target`; `ask_code` asks for an MFA code. Nothing is sent yet."""
    return Aws(target, ask_code)


def _client_config(session: Any, attempts: int, read_timeout_s: float) -> Any:
    from urllib.request import getproxies

    from botocore.config import Config

    return Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=5,
        read_timeout=read_timeout_s,
        max_pool_connections=32,
        # Given as a whole, because botocore puts its own together twice for every request.
        user_agent=f"{session.user_agent()} whatschat-ops/{__version__}",
        # None lets every client look through the environment twice.
        proxies=None if getproxies() else {},
    )


def _translate_failures(client: Any, session: UserSession) -> None:
    """Raise our errors from botocore's own hooks, so that no caller needs a wrapper around a call."""

    def after_call(http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        if http_response.status_code >= 300:
            if "Code" not in parsed.get("Error", {}) or parsed["Error"]["Code"] == str(
                http_response.status_code
            ):
                _refuse_foreign(model, http_response, client.meta.endpoint_url)
            error = translate(
                model.name, http_response.status_code, parsed.get("Error", {}), http_response.headers
            )
            if isinstance(error, CredentialsError) and error.hint is None:
                error = _of_identity(error, session)
            raise error

    def after_call_error(exception: Exception, event_name: str, **_: Any) -> None:
        raise translate_transport(event_name.rpartition(".")[2], exception, session) from exception

    client.meta.events.register_last("after-call", after_call)
    client.meta.events.register("after-call-error", after_call_error)


def _refuse_foreign(model: Any, answer: Any, endpoint_url: str) -> None:
    """Raise for a server error that is not AWS's, once botocore has given up on it."""
    what = foreign(Operation.of(model), answer.status_code, answer.headers, answer.content)
    if what is not None:
        raise not_aws(model.name, endpoint_url, answer.status_code, what)


def _of_identity(error: CredentialsError, session: UserSession) -> CredentialsError:
    """The error of keys that AWS does not accept, with whose they are."""
    if session.get_credentials().method == "explicit":  # those of the target
        return error
    identity = identity_of(session)
    return CredentialsError.of(
        error,
        f"AWS does not accept the keys of {identity}: {error.message}.",
        hint=rejected_keys(identity),
    )


def translate_transport(operation: str, error: Exception, session: UserSession | None = None) -> Exception:
    """Our error for one of botocore's that is no answer of AWS; any other exception as it is. `session` is ours, if it is ours."""
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    what = f"{operation}: " if operation else ""
    text = redact(str(error))
    if isinstance(error, exceptions.NoCredentialsError):
        return session.explained(None) if session else CredentialsError(text)
    if isinstance(error, ResponseParserError) or _was_raised_while_parsing(error):
        return Unavailable(
            f"{what}the endpoint does not answer as AWS does: {text[:200]}.",
            hint=CHECK_ENDPOINT,
            operation=operation,
        )
    if isinstance(error, exceptions.SSLError):
        return Unavailable(
            f"{what}{text}.",
            hint="When the certificate comes from a CA of your own, set AWS_CA_BUNDLE to that CA's certificate.",
            operation=operation,
        )
    if isinstance(error, exceptions.ProxyConnectionError):
        return Unavailable(
            f"{what}{text}.",
            hint="Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY, and the login in the proxy's URL.",
            operation=operation,
        )
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        return Unavailable(
            f"{what}{text}", hint="Check the network and the endpoint URL.", operation=operation
        )
    if isinstance(error, exceptions.BotoCoreError):
        return Rejected(f"{what}{text}", operation=operation)
    return error


def _was_raised_while_parsing(error: Exception) -> bool:
    """Whether botocore stumbled over an answer: its parsers expect the types that AWS sends."""
    return not isinstance(error, OpsError) and any(
        Path(frame.f_code.co_filename).parts[-2:] == ("botocore", "parsers.py")
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )
