"""Which service a request is for, and whether a request comes from inside this process or from the network: only inside is the account's root accepted."""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qs, unquote

from whatschat_ops.local.control.modules import Modules
from whatschat_ops.local.interfaces import HttpRequest

_from_inside: ContextVar[bool] = ContextVar("whatschat_from_inside", default=True)
_may_be_anonymous: ContextVar[bool] = ContextVar("whatschat_may_be_anonymous", default=False)


def comes_from_network(*, may_be_anonymous: bool) -> None:
    """Mark the current context as a request from the network. `may_be_anonymous`: it may have no access key."""
    _from_inside.set(False)
    _may_be_anonymous.set(may_be_anonymous)


def install_root_keys(iam_evaluator: Any, sts: Any) -> None:
    """Accept the account's root only from inside."""
    is_root = iam_evaluator.is_root_access_key

    def is_root_access_key(access_key_id: str) -> bool:
        if _from_inside.get():
            return bool(is_root(access_key_id))
        return not access_key_id and _may_be_anonymous.get()

    iam_evaluator.is_root_access_key = is_root_access_key
    sts.is_root_access_key = is_root_access_key


def install_default_deny(iam_evaluator: Any) -> None:
    """Reject requests without credentials for which no action is known; S3 has policies for those."""
    check = iam_evaluator.check_credentials

    def check_credentials(access_key_id: str, service: str | None = None) -> Any:
        if not (access_key_id or service == "s3" or _from_inside.get()):
            return iam_evaluator.AuthError("MissingAuthenticationToken", "Missing Authentication Token")
        return check(access_key_id, service)

    iam_evaluator.check_credentials = check_credentials


def service_of(modules: Modules, request: HttpRequest) -> str:
    """ministack's name of the service that it would pass the request to, by its own rules."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
    query = parse_qs(request.query_string, keep_blank_values=True)
    head = request.method, re.sub("/+", "/", unquote(request.raw_path)), headers
    parameters = modules.app._routing_params(*head, request.body, query)
    return str(modules.router.detect_service(*head, parameters))
