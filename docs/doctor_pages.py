"""A page for each check of `doctor`, docs/doctor/<CODE>.md: from the check, the ways in which it was made to fail, and what `explain` knows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from whatschat_ops.doctor.catalogue import CHECKS
from whatschat_ops.doctor.check import Check, Repair
from whatschat_ops.errors import Hint
from whatschat_ops.explain import Entry, entries

DOCS: Final = Path(__file__).parent
BREAKAGES: Final = DOCS / "doctor-breakages.md"
CODES: Final[Mapping[str, Check]] = {check.code: check for check in CHECKS}

EXPLAINED: Final[Mapping[str, Sequence[str]]] = {
    "ST001": ("no-credentials", "expired-token", "invalid-token"),
    "ST002": ("ours-clock", "signature"),
    "ST003": ("ours-not-provisioned",),
    "ST004": ("access-denied", "throttling"),
    "ST005": ("ours-not-provisioned",),
    "ST006": ("ours-locked",),
    "ST008": ("ours-node-manager",),
    "ST009": ("ours-foreign-role",),
    "ST020": ("access-denied",),
    "ST031": ("handshake-429",),
    "ST032": ("limit-exceeded", "throttling"),
    "ST033": ("ours-code-too-large",),
    "WS001": ("enotfound",),
    "WS002": ("ours-other-endpoint",),
    "WS003": ("enotfound",),
    "WS004": ("tls",),
    "WS005": ("handshake-403",),
    "WS006": ("handshake-404",),
    "WS007": ("no-reply",),
    "WS008": ("ws-internal-server-error",),
    "WS009": ("deployment-old",),
    "WS010": ("handshake-500",),
    "WS012": ("update-in-progress",),
    "WS015": ("handler-not-found", "task-timed-out", "out-of-memory"),
    "WS016": ("table-not-found",),
    "WS018": ("lambda-throttled",),
    "WS019": ("lambda-throttled",),
    "WS020": ("table-not-found",),
    "WS025": ("gone",),
    "WS028": ("import-module", "task-timed-out"),
    "WS030": ("parameter-not-found", "kms-denied"),
    "WS031": ("callback-forbidden", "access-denied"),
    "WS032": ("callback-forbidden",),
    "WS033": ("role-not-assumed",),
    "WS036": ("ours-rotation",),
    "WS037": ("access-denied",),
    "WS040": ("handshake-500", "handshake-502"),
    "WS041": ("handshake-401",),
    "WS042": ("handshake-401",),
    "WS043": ("no-reply",),
    "WS050": ("handshake-429", "ws-limit-exceeded"),
    "WS052": ("token-in-url",),
    "WS053": ("log-role",),
    "WS054": ("handshake-403",),
    "WS055": ("lambda-permission", "handshake-500"),
    "WS056": ("task-timed-out", "handshake-503-504"),
    "CH001": ("access-denied",),
    "CH002": ("chime-region", "chime-old-endpoint"),
    "CH004": ("chime-endless",),
    "CH010": ("chime-region",),
    "CH011": ("chime-quota",),
    "AP001": ("ours-node-manager",),
    "AP002": ("ours-node-manager",),
    "AP003": ("simulated-mode",),
    "AP004": ("handshake-401",),
}
"""Code -> keys of `explain`: what a user sees when the check fails, or what its error means."""

READS: Final = {
    "alias": "lambda:GetAlias",
    "api": "apigateway:GET",
    "api_gateway_log_role": "apigateway:GET",
    "deployment": "apigateway:GET",
    "event_rule": "events:DescribeRule",
    "function": "lambda:GetFunction",
    "integration": "apigateway:GET",
    "log_group": "logs:DescribeLogGroups",
    "permission": "lambda:GetPolicy",
    "role": "iam:GetRole",
    "role_policy": "iam:GetRolePolicy",
    "route": "apigateway:GET",
    "secret": "ssm:GetParameter",
    "stage": "apigateway:GET",
    "table": "dynamodb:DescribeTable",
}
"""What a check rests on that watches these resources, by the first word of their address."""

REFERENCE: Final = {
    "apigateway": "apigatewayv2/latest/api-reference/api-reference.html",
    "chime": "chime-sdk/latest/APIReference/API_meeting-chime_{}.html",
    "cloudwatch": "AmazonCloudWatch/latest/APIReference/API_{}.html",
    "dynamodb": "amazondynamodb/latest/APIReference/API_{}.html",
    "events": "eventbridge/latest/APIReference/API_{}.html",
    "iam": "IAM/latest/APIReference/API_{}.html",
    "lambda": "lambda/latest/api/API_{}.html",
    "logs": "AmazonCloudWatchLogs/latest/APIReference/API_{}.html",
    "servicequotas": "servicequotas/2019-06-24/apireference/API_{}.html",
    "ssm": "systems-manager/latest/APIReference/API_{}.html",
    "sts": "STS/latest/APIReference/API_{}.html",
    "tag": "resourcegroupstagging/latest/APIReference/API_{}.html",
}
"""The prefix of an IAM action -> AWS's reference of its operations, below https://docs.aws.amazon.com/."""

REPAIRED: Final = {
    Repair.PROVISION: "`doctor --fix` provisions, unless that would delete something.",
    Repair.PRUNE: "`doctor --fix` deletes those rows.",
    Repair.CONCURRENCY: "`doctor --fix` removes the limit of 0.",
    None: "`doctor --fix` does not do it: it is a decision.",
}


def pages() -> dict[Path, str]:
    """File -> text, for each check."""
    if strange := EXPLAINED.keys() - CODES.keys():
        raise ValueError(f"No check has these codes: {', '.join(strange)}.")
    return {DOCS / "doctor" / f"{check.code}.md": "\n".join(_page(check)) for check in CHECKS}


def code_table() -> list[str]:
    """Every check with what has to be right before it is made, as a table."""
    rows = [
        f"| [{check.code}](doctor/{check.code}.md) | {check.question} | {_linked(direct_causes(check), 'doctor/')} |"
        for check in CHECKS
    ]
    return ["| Code | Question | Not asked when one of these failed |", "|---|---|---|", *rows]


def direct_causes(check: Check) -> list[str]:
    """The causes that no other cause brings with it."""
    brought = {code for cause in check.causes for code in _all_causes(cause)}
    return [code for code in check.causes if code not in brought]


@cache
def _all_causes(code: str) -> frozenset[str]:
    causes = CODES[code].causes
    return frozenset(causes).union(*map(_all_causes, causes))


def _page(check: Check) -> Iterator[str]:
    yield f"# {check.code}: {check.question}\n"
    yield f"`{check.name}`, a check of [`doctor`](../doctor.md). Generated by `python docs/generate.py`.\n"
    yield f"## When it fails\n\n{check.meaning}\n"
    for explained in EXPLAINED.get(check.code, ()):
        entry = entries_by_key()[explained]
        yield f"- [{entry.title}](../explain.md#{slug(entry.title)})"
    if broken := [row for row in _breakages() if row[1] == check.code]:
        yield "\nMade to fail for real:\n"
        yield from (f"- {name}: “{said}” Fixed by {fix}." for name, _, said, fix in broken)
    yield f"\n## Check it\n\n```shell\nwhatschat-ops doctor --only {check.code}\n```\n"
    if read := reads(check):
        yield f"It reads {', '.join(f'[`{action}`]({_address(action)})' for action in read)}.\n"
    if causes := direct_causes(check):
        yield f"It is not made when one of these failed: {_linked(causes)}.\n"
    if silenced := [other.code for other in CHECKS if check.code in direct_causes(other)]:
        yield f"When it fails, these are not made: {_linked(silenced)}.\n"
    yield f"## Fix it\n\n{_fix(check)}\n\n{REPAIRED[check.repair]}\n"
    if sources := _sources(check):
        yield "## Sources\n"
        yield from (f"- <{source}>" for source in sources)
        yield ""


def _fix(check: Check) -> str:
    if check.fix is None:
        return "As `doctor` says."
    command, words = str(Hint(check.fix.argv)), check.fix.text.rstrip(".")
    if not command and re.match(r"(aws|sudo) [\w -]+$", words):  # another program's
        command, words = words, ""
    block = f"```shell\n{command}\n```" if command else ""
    return "\n\n".join(filter(None, (words + (":" if block else ".") if words else "", block)))


def reads(check: Check) -> list[str]:
    """The IAM actions of what a check asks AWS, itself or by `status`."""
    kinds = [pattern.partition(".")[0] for pattern in check.watches]
    return list(dict.fromkeys([*check.actions, *(READS[kind] for kind in kinds if kind in READS)]))


@cache
def entries_by_key() -> Mapping[str, Entry]:
    """What `explain` knows."""
    return entries()


@cache
def _breakages() -> list[tuple[str, str, str, str]]:
    """What was broken, the code, what was said, and what fixed it."""
    row = re.compile(r"^\| (.+?) \| \*\*(\w+)\*\* (.+?) \| (.+?) \| ", re.MULTILINE)
    return row.findall(BREAKAGES.read_text(encoding="utf-8"))


def _sources(check: Check) -> list[str]:
    found = [source for key in EXPLAINED.get(check.code, ()) for source in entries_by_key()[key].sources]
    return list(dict.fromkeys(source for source in found if source.startswith("https:")))


def _address(action: str) -> str:
    service, _, operation = action.partition(":")
    return f"https://docs.aws.amazon.com/{REFERENCE[service].format(operation)}"


def _linked(codes: Sequence[str], folder: str = "") -> str:
    return ", ".join(f"[{code}]({folder}{code}.md)" for code in codes)


def slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
