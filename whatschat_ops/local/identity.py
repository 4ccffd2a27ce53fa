"""The user of the embedded AWS: an IAM user with an access key, never ministack's root bypass.

The user `operator` has the AWS managed policy AdministratorAccess. Its key is created at the first start, stored in a
file that only its owner can read, and valid until `local reset`, or until that file is damaged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from msgspec import Struct

from whatschat_ops.errors import LocalError
from whatschat_ops.local.layout import write_private
from whatschat_ops.redaction import Secret

USER_NAME = "operator"
POLICY_ARN = "arn:aws:iam::aws:policy/AdministratorAccess"

IamCall = Callable[[str, Mapping[str, str]], Awaitable[tuple[int, bytes]]]
"""IAM action and its parameters -> HTTP status and XML body, as the account's root."""


class AccessKey(Struct, frozen=True):
    """An access key of the embedded AWS."""

    access_key_id: str
    secret_access_key: Secret


def read_access_key(path: Path) -> AccessKey | None:
    """The saved key of the operator; None if there is none, or its file is damaged."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return AccessKey(str(document["access_key_id"]), Secret(str(document["secret_access_key"])))
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None


async def ensure_operator(iam: IamCall, path: Path) -> AccessKey:
    """The key of the operator: the saved one if IAM still knows it, else a new one. Raises LocalError if IAM refuses."""
    saved = read_access_key(path)
    if saved and saved.access_key_id in await _key_ids(iam):
        return saved
    await _call(iam, "CreateUser", {"UserName": USER_NAME}, accept="EntityAlreadyExists")
    await _call(iam, "AttachUserPolicy", {"UserName": USER_NAME, "PolicyArn": POLICY_ARN})
    for key_id in await _key_ids(iam):  # a user has at most two keys
        await _call(iam, "DeleteAccessKey", {"UserName": USER_NAME, "AccessKeyId": key_id})
    created = await _call(iam, "CreateAccessKey", {"UserName": USER_NAME})
    key = AccessKey(_texts(created, "AccessKeyId")[0], Secret(_texts(created, "SecretAccessKey")[0]))
    document = {
        "access_key_id": key.access_key_id,
        "secret_access_key": key.secret_access_key.reveal(),
    }
    write_private(path, json.dumps(document, indent=2) + "\n")
    return key


async def _key_ids(iam: IamCall) -> list[str]:
    return _texts(
        await _call(iam, "ListAccessKeys", {"UserName": USER_NAME}, accept="NoSuchEntity"), "AccessKeyId"
    )


async def _call(iam: IamCall, action: str, parameters: Mapping[str, str], *, accept: str = "") -> bytes:
    status, body = await iam(action, parameters)
    if status >= 300 and not (accept and re.search(rb"<Code>%b" % accept.encode(), body)):
        raise LocalError(f"IAM of the embedded AWS rejected {action}: {body.decode('utf-8', 'replace')}")
    return body


def _texts(body: bytes, tag: str) -> list[str]:
    from xml.etree import ElementTree

    elements = ElementTree.fromstring(body).iter()  # our own process wrote this XML
    return [element.text or "" for element in elements if element.tag.rpartition("}")[2] == tag]
