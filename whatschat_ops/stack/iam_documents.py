"""IAM policy documents: how they are built. Pure; what stands in them is said by the kinds and the parts of the stack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

Document = dict[str, Any]
"""A policy document, or a statement of one."""


def document(*statements: Document) -> Document:
    """A policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(sid: str, allowed: Sequence[str], resource: Any) -> Document:
    """A statement; `resource` is an ARN, a list of ARNs or a value known after apply."""
    return {"Sid": sid, "Effect": "Allow", "Action": list(allowed), "Resource": resource}


PASSED_TO: Final = "iam:PassedToService"
SOURCE_ACCOUNT: Final = "aws:SourceAccount"
TLS_ONLY: Final = "WhatschatOpsTlsOnly"
"""The Sid by which a bucket policy's statement of ours is known."""


def pass_roles(service: str, resource: Any) -> Document:
    """A statement that lets these roles be passed to one AWS service (IAM User Guide, "Grant permissions to pass a role")."""
    sid = f"PassTo{service.partition('.')[0].capitalize()}"
    return {**allow(sid, ["iam:PassRole"], resource), "Condition": {"StringEquals": {PASSED_TO: service}}}


def trust_policy(service: str, for_account: str | None = None) -> Document:
    """Who may assume a role: one AWS service; with `for_account`, for resources of that account only.

    Source of the condition: IAM User Guide, "The confused deputy problem".
    """
    condition = {"Condition": {"StringEquals": {SOURCE_ACCOUNT: for_account}}} if for_account else {}
    return document(
        {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole", **condition},
    )


def deny_plain_http(bucket_arn: str) -> Document:
    """The statement of a bucket policy that denies everything without TLS (S3 User Guide, "Restrict access to only HTTPS requests")."""
    return {
        "Sid": TLS_ONLY,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn, f"{bucket_arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def trusts(document: Mapping[str, Any], service: str) -> bool:
    """Whether a trust policy lets the service assume the role (conditions are taken to be met)."""
    return service in trusted_services(document)


def trusted_services(document: Mapping[str, Any]) -> list[str]:
    """The AWS services that a trust policy lets assume the role (conditions are taken to be met)."""
    principals = [
        statement.get("Principal", {})
        for statement in _listed(document.get("Statement", []))
        if statement.get("Effect") == "Allow"
    ]
    services = (each.get("Service", []) for each in principals if isinstance(each, Mapping))
    return [service for named in services for service in _listed(named)]


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
