"""Whether a request comes from inside this process or from the network: only inside is the account's root accepted."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

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
