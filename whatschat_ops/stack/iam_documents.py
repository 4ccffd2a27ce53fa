"""IAM policy documents: how they are built. Pure; what stands in them is said by the kinds and the parts of the stack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Document = dict[str, Any]
"""A policy document, or a statement of one."""


def document(*statements: Document) -> Document:
    """A policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(sid: str, allowed: Sequence[str], resource: Any) -> Document:
    """A statement; `resource` is an ARN, a list of ARNs or a value known after apply."""
    return {"Sid": sid, "Effect": "Allow", "Action": list(allowed), "Resource": resource}


def trust_policy(service: str) -> Document:
    """Who may assume a role: one AWS service."""
    return document(
        {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"},
    )


def trusts(document: Mapping[str, Any], service: str) -> bool:
    """Whether a trust policy lets the service assume the role (conditions are taken to be met)."""
    statements = document.get("Statement", [])
    return any(
        statement.get("Effect") == "Allow" and service in _listed(_services(statement))
        for statement in (statements if isinstance(statements, list) else [statements])
    )


def _services(statement: Mapping[str, Any]) -> Any:
    principal = statement.get("Principal", {})
    return principal.get("Service", []) if isinstance(principal, Mapping) else []


def actions(service: str, names: str) -> tuple[str, ...]:
    """Actions of one service.

    >>> actions("iam", "GetRole PassRole")
    ('iam:GetRole', 'iam:PassRole')
    """
    return tuple(f"{service}:{name}" for name in names.split())


def merged(statements: Iterable[Document]) -> list[Document]:
    """The statements, those of one Sid made one: its actions together on its resources together."""
    by_sid: dict[str, Document] = {}
    for statement in statements:
        first = by_sid.setdefault(statement["Sid"], dict(statement))
        for key in ("Action", "Resource"):
            values = dict.fromkeys([*_listed(first[key]), *_listed(statement[key])])
            first[key] = next(iter(values)) if len(values) == 1 and key == "Resource" else list(values)
    return list(by_sid.values())


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]
