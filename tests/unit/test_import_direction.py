"""Who may import whom, read from the source; and what a start of the program imports, seen in a new process.

    cli -> features -> stack -> provision, aws -> config -> errors

Nobody imports `cli`; features do not import one another; `provision` knows neither AWS nor the stack; boto3 is
imported in `aws` only (`local` may read botocore's service models), and `handlers` import nothing of ours.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from whatschat_ops.cli.main import GROUPS

PACKAGE = Path(__file__).parents[2] / "whatschat_ops"

FEATURES = {
    "broadcast",
    "chime",
    "cost",
    "doctor",
    "environment",
    "local",
    "migration",
    "monitoring",
    "packaging",
    "websocket",
}
FOUNDATION = {"config", "endpoint", "errors", "redaction", "state_directory", ""}
"""What everybody may import; "" is `whatschat_ops` itself (its version)."""

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "redaction": set(),
    "state_directory": {"errors"},
    "endpoint": {"errors", "redaction"},
    "config": {"errors", "redaction"},
    "aws": FOUNDATION,
    "provision": FOUNDATION,
    "handlers": set(),
    # It runs in Lambda, too: it knows neither AWS clients nor settings.
    "sender": {"errors", "redaction"},
    # The function that sends one shard of a distributed broadcast.
    "worker": {"errors", "redaction", "sender"},
    "packaging": FOUNDATION,
    # The stack is made of the engine's contract, AWS, and the zips that it deploys.
    "stack": FOUNDATION | {"aws", "provision", "packaging"},
    # A feature works on a provisioned stack, never on another feature.
    **{
        feature: FOUNDATION | {"aws", "stack"}
        for feature in ("chime", "environment", "websocket", "migration", "monitoring")
    },
    # A broadcast reads the connections table through `websocket`, posts with `sender`, and has a price.
    "broadcast": FOUNDATION | {"aws", "stack", "websocket", "sender", "cost", "worker"},
    # A load test talks through the sockets of `websocket`.
    "load": FOUNDATION | {"aws", "stack", "websocket"},
    # A doctor looks at everything.
    "doctor": FOUNDATION | {"aws", "stack", "chime", "websocket"},
    "cost": FOUNDATION,
    # The embedded AWS is an AWS: it knows no client code.
    "local": FOUNDATION,
}

BOTO = {"boto3", "botocore"}


@dataclass(frozen=True)
class Import:
    """One import statement."""

    file: Path
    line: int
    target: str
    at_top: bool
    """Run when the module is imported: neither in a function nor for type checkers only."""

    def __str__(self) -> str:
        return f"{self.file.relative_to(PACKAGE.parent)}:{self.line} imports {self.target}"


def parts_of(file: Path) -> tuple[str, ...]:
    """The module's dotted name in parts, without the package's own."""
    relative = file.relative_to(PACKAGE).with_suffix("").parts
    return relative[:-1] if relative[-1] == "__init__" else relative


def package_of(file: Path) -> str:
    """The top-level part of the package that a file belongs to."""
    return (*parts_of(file), "")[0]


def imports_of(file: Path) -> Iterator[Import]:
    """Every import in a file, relative ones resolved."""
    yield from _walk(ast.parse(file.read_text(encoding="utf-8")), file, at_top=True)


def _walk(node: ast.AST, file: Path, *, at_top: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(file, child.lineno, alias.name, at_top)
        elif isinstance(child, ast.ImportFrom):
            module = _absolute(child, file)
            for alias in child.names:
                yield Import(file, child.lineno, f"{module}.{alias.name}", at_top)
        else:
            deferred = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or (
                isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
            )
            yield from _walk(child, file, at_top=at_top and not deferred)


def _absolute(node: ast.ImportFrom, file: Path) -> str:
    if not node.level:
        return node.module or ""
    container = ("whatschat_ops", *file.relative_to(PACKAGE).parent.parts)
    base = container[: len(container) - node.level + 1]
    return ".".join((*base, *(node.module or "").split("."))).rstrip(".")


FILES = sorted(file for file in PACKAGE.rglob("*.py") if not {"_vendor", "vendored"} & set(file.parts))
IMPORTS = [found for file in FILES for found in imports_of(file)]


def ours(found: Import) -> str | None:
    """The part of our package that is imported; None for anybody else's."""
    top, *rest = found.target.split(".")
    if top != "whatschat_ops":
        return None
    return rest[0] if rest and rest[0] != "__version__" else ""


def test_the_scan_sees_the_package() -> None:
    assert len(FILES) > 30
    assert any(ours(found) == "errors" for found in IMPORTS)
    assert any(found.target.startswith("botocore") and not found.at_top for found in IMPORTS)


def test_every_part_of_the_package_has_a_rule() -> None:
    parts = {package_of(file) for file in FILES} - {"", "__main__", "cli"}
    assert parts <= set(MAY_IMPORT)


def test_imports_go_one_way() -> None:
    wrong = [
        str(found)
        for found in IMPORTS
        if (owner := package_of(found.file)) in MAY_IMPORT
        and (part := ours(found)) is not None
        and part != owner
        and part not in MAY_IMPORT[owner]
    ]
    assert wrong == []


def test_only_the_command_line_imports_the_command_line() -> None:
    wrong = [
        str(found)
        for found in IMPORTS
        if ours(found) == "cli" and package_of(found.file) not in ("cli", "__main__")
    ]
    assert wrong == []


def test_boto3_is_imported_in_aws_only() -> None:
    # The worker runs in Lambda, whose Python runtimes bring boto3.
    allowed = {"boto3": {"aws", "worker"}, "botocore": {"aws", "local"}}
    wrong = [
        str(found)
        for found in IMPORTS
        if (library := found.target.split(".")[0]) in BOTO and package_of(found.file) not in allowed[library]
    ]
    assert wrong == []


def test_handlers_import_nothing_that_lambda_does_not_have() -> None:
    has = {*sys.stdlib_module_names, "jwt"}  # PyJWT is vendored in the zip
    wrong = [
        str(found)
        for found in IMPORTS
        if package_of(found.file) == "handlers"
        and ours(found) != "handlers"
        and found.target.split(".")[0] not in has
    ]
    assert wrong == []


def loaded_at_start() -> set[Path]:
    """The files of `cli` that `build_app` imports: every group, and what those import at their top."""
    loaded: set[Path] = set()
    waiting = {PACKAGE / "cli" / f"{name}.py" for name in ("main", *GROUPS)}
    while waiting:
        file = waiting.pop()
        if file in loaded or not file.exists():
            continue
        loaded.add(file)
        for found in IMPORTS:
            if found.file == file and found.at_top and ours(found) == "cli":
                _, _, module, *name = found.target.split(".")
                waiting |= {PACKAGE / "cli" / f"{each}.py" for each in (module, *name)}
    return loaded


def test_command_modules_import_no_feature_until_a_command_runs() -> None:
    start = loaded_at_start()
    light = {*FOUNDATION - {"config"}, "cli"}
    heavy = {*BOTO, "rich", "pydantic", "yaml", "websockets", "jwt"}
    wrong = [
        str(found)
        for found in IMPORTS
        if found.file in start
        and found.at_top
        and (ours(found) not in {None, *light} or found.target.split(".")[0] in heavy)
    ]
    assert len(start) > 5
    assert wrong == []


def imported_by(code: str) -> set[str]:
    """The modules that a new process has imported after running `code`."""
    script = f"{code}\nimport sys, json\nsys.stderr.write(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    return set(json.loads(done.stderr))


BUILD = "from whatschat_ops.cli.main import build_app; build_app()"
HELP = "from whatschat_ops.cli.main import main; main(['--help'])"
COST = (
    "from whatschat_ops.cli.main import main; "
    "assert main(['cost', 'estimate', '--messages', '10M', '--users', '5', '--hours-per-day', '1']) == 0"
)


@pytest.mark.parametrize("code", [BUILD, HELP, COST], ids=["build_app", "--help", "cost estimate"])
def test_commands_that_need_no_aws_do_not_import_boto3(code: str) -> None:
    modules = imported_by(code)
    assert not BOTO & modules
    assert "whatschat_ops.local.service" not in modules
    assert "ministack" not in modules


@pytest.mark.parametrize("code", [BUILD, HELP], ids=["build_app", "--help"])
def test_help_loads_no_settings(code: str) -> None:
    assert not {"pydantic", "yaml", "websockets", "jwt"} & imported_by(code)
