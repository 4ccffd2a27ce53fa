"""Files of users who become attendees: one user id per line, CSV with a header, or JSON Lines; told apart by their first line.

    bob                          user,audio,video,content         {"user": "bob"}
    carol  # a comment           bob,,,                           {"user": "carol", "video": "Receive", "content": "None"}
                                 carol,SendReceive,Receive,None

A user without capabilities in the file has Chime's own default, SendReceive for all. The names of the API (`ExternalUserId`,
`Capabilities`) are read, too.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import IO, Any, Final

from whatschat_ops.chime.capabilities import Capabilities
from whatschat_ops.chime.ids import external_user_id
from whatschat_ops.errors import UsageError
from whatschat_ops.files import numbered_lines, without_comment
from whatschat_ops.quotas import CHIME_ATTENDEES

MOST_USERS: Final = 40 * CHIME_ATTENDEES
"""What is piped in may never end."""

_USER_FIELDS: Final = ("user", "externaluserid")
_KINDS: Final = ("audio", "video", "content")

Line = tuple[int, str]
Row = tuple[int, Mapping[str, Any]]
"""The number of a line, and its fields, whose names are in lower case."""


def read_batch(
    stream: IO[bytes], name: str, otherwise: Capabilities | None = None
) -> dict[str, Capabilities | None]:
    """The users of a file with their capabilities, `otherwise` where none are given. Raises UsageError with the line."""
    lines = ((number, line) for number, line in numbered_lines(stream, name) if line.strip())
    users: dict[str, Capabilities | None] = {}
    for number, fields in _rows(lines, name):
        try:
            user = _user(fields)
            capabilities = _capabilities(fields, otherwise)
            if users.setdefault(user, capabilities) != capabilities:
                raise UsageError(f"The user {user!r} is there twice, with different capabilities.")
            if len(users) > MOST_USERS:
                raise UsageError(
                    f"More than {MOST_USERS:,} users are named; a meeting has {CHIME_ATTENDEES} at most."
                )
        except UsageError as error:
            raise UsageError(f"{name}, line {number}: {error.message}", hint=error.hint) from error
    return users


def _rows(lines: Iterator[Line], name: str) -> Iterator[Row]:
    first = next(lines, None)
    if first is None:
        return iter(())
    number, text = first
    every = chain([first], lines)
    if text.lstrip().startswith("{"):
        return _json_rows(every, name)
    header = [field.strip().lower() for field in text.split(",")]
    if len(header) > 1 and set(header) & set(_USER_FIELDS):
        return _csv_rows(lines, _known(header, name, number), name)
    return ((number, {"user": user}) for number, text in every if (user := without_comment(text)))


def _csv_rows(lines: Iterator[Line], header: list[str], name: str) -> Iterator[Row]:
    for number, text in lines:
        values = next(csv.reader([text]))
        if len(values) > len(header):
            raise UsageError(
                f"{name}, line {number}: it has {len(values)} fields, and the header names {len(header)}.",
                hint="Put a field that contains a comma into double quotes.",
            )
        yield number, dict(zip(header, (value.strip() for value in values), strict=False))


def _known(header: list[str], name: str, number: int) -> list[str]:
    unknown = [field for field in header if field not in (*_USER_FIELDS, *_KINDS)]
    if unknown:
        raise UsageError(
            f"{name}, line {number}: the column {unknown[0]!r} is not known.",
            hint="Use a header such as user,audio,video,content",
        )
    return header


def _json_rows(lines: Iterator[Line], name: str) -> Iterator[Row]:
    for number, text in lines:
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _not_json(name, number, str(error)) from error
        if not isinstance(document, dict):
            raise _not_json(name, number, "it is not an object")
        fields = {key.lower(): value for key, value in document.items()}
        given = fields.pop("capabilities", None) or {}
        if not isinstance(given, dict):
            raise _not_json(name, number, "capabilities is not an object")
        yield number, {**fields, **{key.lower(): value for key, value in given.items()}}


def _not_json(name: str, number: int, problem: str) -> UsageError:
    return UsageError(
        f"{name}, line {number} is not a user in JSON: {problem}.",
        hint='Write it like {"user": "bob", "video": "Receive", "content": "None"}',
    )


def _user(fields: Mapping[str, Any]) -> str:
    user = next((fields[name] for name in _USER_FIELDS if fields.get(name)), None)
    if not isinstance(user, str):
        raise UsageError("No user id is given.", hint="Name the user in the field user.")
    external_user_id(user)
    return user


def _capabilities(fields: Mapping[str, Any], otherwise: Capabilities | None) -> Capabilities | None:
    given = {name: value for name, value in fields.items() if name not in _USER_FIELDS and value != ""}
    if not given:
        return otherwise
    return (otherwise or Capabilities()).changed({name: str(value) for name, value in given.items()})
