"""The application: the tools that its functions are built with, and its .env files."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from whatschat_ops.doctor.areas.stack import PROVISIONED
from whatschat_ops.doctor.check import Check, Finding, fail, ok, skip, warn
from whatschat_ops.doctor.facts import Facts
from whatschat_ops.environment.check import PLACES, FileCheck, check_files
from whatschat_ops.environment.jwt_secret import NAME as JWT_SECRET
from whatschat_ops.errors import Hint, OpsError
from whatschat_ops.packaging.node.manager import open_project, program, read_manifest

NODE: Final = "AP001"
MANAGER: Final = "AP002"
LEAST_NODE: Final = 18
"""What the package managers and the AWS SDK v3 need at least."""
_BUILT_IN: Final = "The built-in handlers run (lambda.source.path is empty): no Node.js is needed."


class Tool(Struct, frozen=True):
    """A program on this machine, or why it cannot be used."""

    name: str
    version: str = ""
    problem: str = ""
    fix: str = ""


class FileProblem(Struct, frozen=True):
    """A variable of one of the application's files that does not fit the stack. Holds no secret."""

    file: str
    variable: str
    is_failure: bool
    detail: str
    argv: tuple[str, ...]
    text: str


class FilesFound(Struct, frozen=True):
    """The application's files in this directory, and what does not fit."""

    files: tuple[str, ...]
    problems: tuple[FileProblem, ...]


def node(facts: Facts) -> Finding:
    """Node.js is there, and new enough, when the application's own functions are built with it."""
    if facts.settings.lambda_.source.path is None:
        return skip(_BUILT_IN)
    return judge_node(facts.observe("node", Tool, find_node))


def judge_node(found: Tool) -> Finding:
    """Whether this Node.js can build the application's functions."""
    if found.problem:
        return fail(found.problem, found.fix)
    major = re.match(r"v?(\d+)", found.version)
    if major is None or int(major[1]) < LEAST_NODE:
        return fail(
            f"Node.js is {found.version or 'of no known version'}; {LEAST_NODE} or newer is needed.",
            "Install a newer Node.js (nodejs.org).",
            f"node --version: {found.version}",
        )
    return ok(f"Node.js is {found.version}.")


def manager(facts: Facts) -> Finding:
    """The package manager of the application's folder is there."""
    path = facts.settings.lambda_.source.path
    if path is None:
        return skip(_BUILT_IN)
    found = facts.observe("package_manager", Tool, lambda: find_manager(Path(path)))
    return fail(found.problem, found.fix) if found.problem else ok(f"The package manager is {found.name}.")


def find_node() -> Tool:
    """The Node.js of this machine."""
    try:
        path = program("node")
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=15, check=False)
    except (OpsError, OSError, subprocess.TimeoutExpired) as error:
        return Tool("node", problem=f"Node.js cannot be run: {error}", fix="Install Node.js (nodejs.org).")
    return Tool("node", said.stdout.strip())


def find_manager(folder: Path) -> Tool:
    """The package manager of a folder."""
    try:
        found = open_project(folder, read_manifest(folder)).manager
        program(found)
    except OpsError as error:
        return Tool("", problem=error.message, fix=str(error.hint or ""))
    return Tool(found)


def files(facts: Facts) -> Finding:
    """The variables of the application's files in this directory are those of the stack."""
    return _judge(facts, [each for each in _found(facts).problems if each.variable != JWT_SECRET])


def secret(facts: Facts) -> Finding:
    """The application signs tokens with the stack's secret."""
    return _judge(facts, [each for each in _found(facts).problems if each.variable == JWT_SECRET])


def _judge(facts: Facts, problems: Sequence[FileProblem]) -> Finding:
    found = _found(facts)
    if not found.files:
        return skip(f"None of the application's files is here: {', '.join(PLACES)}.")
    if not problems:
        return ok(f"{' and '.join(found.files)} fit the stack.")
    said = "; ".join(f"{each.file}: {each.variable} {each.detail.rstrip('.')}" for each in problems)
    is_failure = any(each.is_failure for each in problems)
    return (fail if is_failure else warn)(f"{said}.", Hint(problems[0].argv, problems[0].text))


def _found(facts: Facts) -> FilesFound:
    return facts.observe("application_files", FilesFound, lambda: _read_files(facts))


def _read_files(facts: Facts) -> FilesFound:
    there = [Path(place) for place in PLACES if Path(place).is_file()]
    checked = check_files(there, facts.settings, facts.aws, facts.now)
    return FilesFound(
        tuple(map(str, there)), tuple(problem for each in checked for problem in _problems(each))
    )


def _problems(checked: FileCheck) -> list[FileProblem]:
    return [
        FileProblem(
            str(checked.path),
            each.variable,
            each.status.value == "fail",
            each.detail,
            each.fix.argv,
            each.fix.text,
        )
        for each in checked.mismatches
    ]


CHECKS: Final = (
    Check(
        NODE,
        "app.node",
        "Is Node.js there, and new enough?",
        node,
        meaning="lambda.source names a folder whose functions are built with Node.js, which is missing here or too old.",
        fix=Hint(text="Install Node.js (nodejs.org)."),
    ),
    Check(
        MANAGER,
        "app.package-manager",
        "Is the application's package manager there?",
        manager,
        (NODE,),
        meaning="The folder of lambda.source is installed and built with npm, pnpm or yarn, which is missing or not clear.",
        fix=Hint(text="Install the package manager, or delete the lock files of others."),
    ),
    Check(
        "AP003",
        "app.files",
        "Do the application's .env files fit the stack?",
        files,
        (PROVISIONED,),
        meaning="A variable of .env, .env.local, apps/server/.env or apps/web/.env.local is not what the stack has; run it in the repository.",
        fix=Hint(("env", "check", ".")),
    ),
    Check(
        "AP004",
        "app.secret",
        "Does the application sign tokens with the stack's secret?",
        secret,
        (PROVISIONED, "WS030"),
        actions=("ssm:GetParameter",),
        meaning="JWT_SECRET of the backend is another one: every token that it signs is refused with 401.",
        fix=Hint(("env", "render", "backend", "--output", "apps/server/.env", "--show-secrets")),
    ),
)
