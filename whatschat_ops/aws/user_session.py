"""A botocore session of this user: credentials that fail in our words, kept as the AWS CLI keeps them; proxies and CAs by our rules."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import getproxies

from botocore.config import Config
from botocore.credentials import create_credential_resolver
from botocore.httpsession import URLLib3Session
from botocore.utils import JSONFileCache

from whatschat_ops.aws.errors import not_aws
from whatschat_ops.aws.foreign import Operation, foreign
from whatschat_ops.aws.identity import AskCode, identity_of, no_credentials
from whatschat_ops.aws.loading import LeanSession
from whatschat_ops.errors import CredentialsError, OpsError
from whatschat_ops.network import ca_bundle, is_loopback


class CliCache(JSONFileCache):  # type: ignore[misc]
    """The AWS CLI's cache of temporary credentials: one MFA code does for all its commands and all of ours."""

    def __init__(self) -> None:
        super().__init__(str(Path("~/.aws/cli/cache").expanduser()))

    def __setitem__(self, key: str, value: Any) -> None:
        with suppress(OSError):  # a home that cannot be written to: the next command asks AWS again
            super().__setitem__(key, value)


class UserSession(LeanSession):
    """Every failure to get credentials is a CredentialsError; requests to this machine go to no proxy."""

    def __init__(
        self, variables: Mapping[str, tuple[Any, ...]], profile: str | None, ask_code: AskCode
    ) -> None:
        super().__init__(variables, profile)
        self._ask_code = ask_code
        self._credentials: Any = None
        self._refusal: CredentialsError | None = None

    def get_credentials(self) -> Any:
        """The credentials, None if there are none. Raises CredentialsError, the same one when it is asked again."""
        if self._credentials is None:
            if self._refusal:
                raise self._refusal
            try:
                self._credentials = self._load_credentials()
            except OpsError:
                raise
            except Exception as error:
                self._refusal = self.explained(error)
                raise self._refusal from error
        return self._credentials

    def _load_credentials(self) -> Any:
        resolver = create_credential_resolver(
            self,
            cache=CliCache(),
            region_name=self._last_client_region_used or self.get_config_variable("region"),
        )
        # botocore sends the metadata address of an instance through HTTP_PROXY, if NO_PROXY allows it.
        if getproxies():
            fetcher = resolver.get_provider("iam-role")._role_fetcher
            fetcher._session = URLLib3Session(timeout=fetcher._timeout, proxies={})
        # botocore's own prompt reads standard input when there is no terminal, which may be a message.
        resolver.get_provider("assume-role")._prompter = self._ask_code
        found = resolver.load_credentials()
        return found and ExplainedCredentials(found, self)

    def get_auth_token(self, **options: Any) -> Any:
        """As botocore's. Raises CredentialsError."""
        try:
            return super().get_auth_token(**options)
        except Exception as error:
            raise self.explained(error) from error

    def explained(self, error: Exception | None) -> CredentialsError:
        """Our error for one on the way to credentials."""
        return no_credentials(error, identity_of(self))

    def create_client(self, service_name: str, *arguments: Any, **options: Any) -> Any:
        """A client that trusts the CAs of the environment, and that reaches this machine without a proxy."""
        options["verify"] = options.get("verify") or ca_bundle() or self.get_config_variable("ca_bundle")
        client = super().create_client(service_name, *arguments, **options)
        if getproxies() and is_loopback(client.meta.endpoint_url):
            without = Config(proxies={})
            given = options.get("config")
            options["config"] = given.merge(without) if given else without
            client = super().create_client(service_name, *arguments, **options)
        client.meta.events.register_first("before-parse", _Foreign(client.meta.endpoint_url))
        return client


class _Foreign:
    """A hook that refuses answers that do not come from AWS, before botocore reads nothing in them."""

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url
        self._operations: dict[str, Operation] = {}

    def __call__(self, operation_model: Any, response_dict: Mapping[str, Any], **_: Any) -> None:
        status, name = response_dict["status_code"], operation_model.name
        if status >= 500:
            return  # botocore tries again
        if (operation := self._operations.get(name)) is None:
            operation = self._operations[name] = Operation.of(operation_model)
        body = response_dict["body"]
        streams = not isinstance(body, bytes)  # for the caller to read
        if what := foreign(operation, status, response_dict["headers"], b"?" if streams else body):
            if streams:
                body.close()
            raise not_aws(name, self._endpoint_url, status, what)


class ExplainedCredentials:
    """Credentials whose every failure is a CredentialsError. One that never worked is not tried again: it may ask for a code."""

    def __init__(self, found: Any, session: UserSession) -> None:
        self._found, self._session = found, session
        self._lock = threading.Lock()
        self._worked = False
        self._refusal: CredentialsError | None = None

    def get_frozen_credentials(self) -> Any:
        """The keys of this moment. Raises CredentialsError."""
        if self._worked:
            return self._explain(self._found.get_frozen_credentials)
        with self._lock:
            if self._refusal:
                raise self._refusal
            keys = self._explain(self._found.get_frozen_credentials)
            self._worked = True
            return keys

    def get_deferred_property(self, name: str) -> Callable[[], Any]:
        """What gives a property when it is called: botocore builds DynamoDB's host from the account id."""
        return lambda: self._explain(lambda: getattr(self._found, name))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._found, name)

    def _explain(self, get: Callable[[], Any]) -> Any:
        try:
            return get()
        except Exception as error:
            self._refusal = self._session.explained(error)
            raise self._refusal from error
