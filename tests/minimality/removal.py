"""A policy without one of its actions, and what came of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]


class Broken(Exception):
    """A step of a scenario did not work. The message says what its user sees."""

    def __init__(self, step: str, seen: object) -> None:
        super().__init__(f"{step}: {seen}")
        self.step = step
        self.seen = " ".join(str(seen).split())


@dataclass(frozen=True)
class Removed:
    """One action of one statement."""

    sid: str
    action: str

    def __str__(self) -> str:
        return f"{self.sid}/{self.action}"


@dataclass(frozen=True)
class Row:
    """What breaks without an action: the first step that fails, and what is seen then. None: nothing breaks."""

    removed: Removed
    broken: Broken | None


def removals(document: Document) -> list[Removed]:
    """Every action of every statement."""
    return [
        Removed(statement["Sid"], action)
        for statement in document["Statement"]
        for action in statement["Action"]
    ]


def without(document: Document, removed: Removed) -> Document:
    """The policy without it."""
    changed = copy.deepcopy(document)
    for statement in changed["Statement"]:
        if statement["Sid"] == removed.sid:
            statement["Action"].remove(removed.action)
    changed["Statement"] = [statement for statement in changed["Statement"] if statement["Action"]]
    return changed


def tried(document: Document, attempt: Callable[[Document], None], only: Sequence[str] = ()) -> Iterator[Row]:
    """Take each action out (or those named `Sid/action`) and try. `attempt` raises Broken."""
    for removed in (item for item in removals(document) if not only or str(item) in only):
        try:
            attempt(without(document, removed))
        except Broken as broken:
            yield Row(removed, broken)
        else:
            yield Row(removed, None)


class User:
    """An IAM user with one managed policy (an operator's is too long to be inline)."""

    def __init__(self, admin: Callable[[str], Any], name: str) -> None:
        self._iam = admin("iam")
        self.name = name
        self._policy_arn = ""
        self._iam.create_user(UserName=name)
        key = self._iam.create_access_key(UserName=name)["AccessKey"]
        self.access_key_id, self.secret_access_key = key["AccessKeyId"], key["SecretAccessKey"]

    def may(self, document: Document) -> None:
        """Give the user this policy, and no other."""
        self._drop()
        created = self._iam.create_policy(PolicyName=self.name, PolicyDocument=json.dumps(document))
        self._policy_arn = created["Policy"]["Arn"]
        self._iam.attach_user_policy(UserName=self.name, PolicyArn=self._policy_arn)

    def _drop(self) -> None:
        if self._policy_arn:
            self._iam.detach_user_policy(UserName=self.name, PolicyArn=self._policy_arn)
            self._iam.delete_policy(PolicyArn=self._policy_arn)
            self._policy_arn = ""
