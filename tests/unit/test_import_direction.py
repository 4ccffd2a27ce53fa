"""Who may import whom, read from the source: packages stand in layers, and imports go down only.

A package imports packages of lower layers; packages of one layer do not import one another, except the pairs that
`SAME_LAYER` names with a reason. `NARROW` says which packages may use less than their layer allows. boto3 is imported
in `aws` only. docs/architecture.md draws the layers. What a start of the program loads: `tests/component/test_start.py`.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from whatschat_ops.cli.commands import MODULES

PACKAGE = Path(__file__).parents[2] / "whatschat_ops"

LAYERS: Final = (
    {"cli"},
    {"usage", "watch"},
    {
        "broadcast",
        "budgets",
        "calls",
        "cost",
        "doctor",
        "environment",
        "explain",
        "load",
        "logs",
        "metrics",
        "migration",
    },
    {"audit", "chime", "connections", "sockets", "stack"},
    {"local", "packaging", "pricing", "worker"},
    {"aws", "config", "provision", "report", "sender"},
    {
        "background",
        "choices",
        "dashboard_body",
        "endpoint",
        "errors",
        "files",
        "handlers",
        "installation",
        "measure",
        "message_size",
        "moments",
        "network",
        "plurals",
        "quotas",
        "redaction",
        "signals",
        "state_directory",
        "",
    },
)
"""From the top; "" is `whatschat_ops` itself (its version)."""

SAME_LAYER: Final[Mapping[tuple[str, str], str]] = {
    ("doctor", "environment"): "the application's files are compared as `env check` compares them",
    ("doctor", "migration"): "what readers read is compared as `migrate status` compares it",
    ("migration", "logs"): "reconnects and 410s of the new path stand in its logs only",
    ("migration", "metrics"): "the gate judges figures of CloudWatch as `metrics show` reads them",
    ("audit", "stack"): "it waits for its table as the stack waits for its resources",
    ("dashboard_body", "quotas"): "a dashboard has a most of widgets",
    ("load", "broadcast"): "what workers cost is one arithmetic",
    ("cost", "broadcast"): "what a distributed broadcast takes is one arithmetic",
    ("endpoint", "errors"): "an endpoint that cannot be read is one of our errors",
    ("endpoint", "quotas"): "what a stage may be called is a rule of AWS",
    ("endpoint", "redaction"): "a URL may carry a token, which no error may show",
    ("endpoint", "handlers"): "the partitions of AWS stand in the functions' zip",
    ("files", "errors"): "what the system refuses is one of our errors",
    ("files", "quotas"): "a user id has a longest length",
    ("files", "state_directory"): "an error names the variable that moves the directory",
    ("network", "errors"): "a CA bundle that cannot be read is one of our errors",
    ("message_size", "errors"): "a message that is too large is one of our errors",
    ("message_size", "quotas"): "the limits that it checks",
    ("quotas", "handlers"): "a limit that a function keeps stands in the function's zip",
}

STANDARD_LIBRARY_ONLY: Final = {
    "handlers": "runs in Lambda, where only the standard library and PyJWT (in the zip) are",
    "measure": "may travel in a zip",
}

NARROW: Final[Mapping[str, set[str]]] = {
    # It runs in Lambda, too: it knows neither AWS clients nor settings.
    "sender": {"errors", "network", "redaction"},
    # The function that sends one shard of a distributed broadcast: its zip holds this, the sender and histograms.
    "worker": {"errors", "measure", "redaction", "sender"},
    # The engine knows no AWS service and no settings.
    "provision": {"errors", "files", "redaction", ""},
    # Prices are arithmetic, and files: those that were refreshed are in the state directory.
    "pricing": {"config", "errors", "state_directory"},
    "cost": {"broadcast", "config", "errors", "pricing", "quotas", "report", ""},
    # The embedded AWS is an AWS: it knows no client code, and shares its limits and its partitions (handlers) only.
    "local": {
        "background",
        "config",
        "dashboard_body",
        "errors",
        "files",
        "handlers",
        "installation",
        "quotas",
        "redaction",
        "state_directory",
        "",
    },
}
"""Packages that use less than their layer allows, and why that must stay so."""

ONLY_CLI: Final = {"local"}
"""Imported by `cli` alone: no other code may know that it talks to the embedded AWS."""

BOTO: Final = {"boto3", "botocore"}
BOTO_USERS: Final = {
    # The workers run in Lambda, whose Python runtimes bring boto3; the embedded AWS reads botocore's service models.
    "boto3": {"aws", "worker", "load"},
    "botocore": {"aws", "local"},
}


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
MODULE_FILES = {".".join(("whatschat_ops", *parts_of(file))): file for file in FILES}
IMPORTS = [found for file in FILES for found in imports_of(file)]
LAYER_OF = {part: number for number, layer in enumerate(LAYERS) for part in layer}


def ours(found: Import) -> str | None:
    """The part of our package that is imported; None for other people's."""
    top, *rest = found.target.split(".")
    if top != "whatschat_ops":
        return None
    return rest[0] if rest and rest[0] != "__version__" else ""


BETWEEN_PARTS = [
    (package_of(found.file), part, found)
    for found in IMPORTS
    if (part := ours(found)) is not None
    and package_of(found.file) not in (part, "__main__")
]  # fmt: skip


def imported_module(found: Import) -> str | None:
    """The module of ours that an import loads: the name itself, or what the name is taken from."""
    for name in (found.target, found.target.rpartition(".")[0]):
        if name in MODULE_FILES:
            return name
    return None


def test_the_scan_sees_the_package() -> None:
    assert len(FILES) > 300
    assert any(ours(found) == "errors" for found in IMPORTS)
    assert any(found.target.startswith("botocore") and not found.at_top for found in IMPORTS)


def test_the_layers_name_every_package_and_no_other() -> None:
    parts = {package_of(file) for file in FILES} - {"__main__"}
    assert set(LAYER_OF) == parts
    assert sum(map(len, LAYERS)) == len(LAYER_OF)


def test_imports_go_down() -> None:
    wrong = [
        str(found)
        for owner, part, found in BETWEEN_PARTS
        if LAYER_OF[part] <= LAYER_OF[owner] and (owner, part) not in SAME_LAYER
    ]
    assert wrong == []


def test_every_exception_is_needed_and_within_a_layer() -> None:
    used = {(owner, part) for owner, part, _ in BETWEEN_PARTS}
    assert set(SAME_LAYER) <= used
    assert all(LAYER_OF[owner] == LAYER_OF[part] for owner, part in SAME_LAYER)


def test_some_packages_use_less_than_their_layer_allows() -> None:
    wrong = [
        str(found) for owner, part, found in BETWEEN_PARTS if owner in NARROW and part not in NARROW[owner]
    ]
    assert wrong == []


def test_only_the_command_line_imports_the_embedded_aws() -> None:
    wrong = [str(found) for owner, part, found in BETWEEN_PARTS if part in ONLY_CLI and owner != "cli"]
    of_local = {
        found.target for owner, part, found in BETWEEN_PARTS if (owner, part) == ("local", "handlers")
    }
    assert wrong == []
    assert of_local == {"whatschat_ops.handlers.partitions.partition_of"}


def test_only_the_target_tells_the_embedded_aws_from_an_account() -> None:
    knowing = {
        parts_of(file)
        for file in FILES
        if package_of(file) == "cli" and "local.enabled" in file.read_text(encoding="utf-8")
    }
    assert knowing == {("cli", "target")}


def test_no_module_imports_itself_by_way_of_others() -> None:
    edges: dict[str, set[str]] = {name: set() for name in MODULE_FILES}
    for found in IMPORTS:
        target = imported_module(found)
        if target is not None:
            edges[".".join(("whatschat_ops", *parts_of(found.file)))].add(target)
    # Take away what imports nothing that is left; what stays is on a cycle or leads to one.
    while leaves := {name for name, targets in edges.items() if not targets - {name}}:
        edges = {name: targets - leaves for name, targets in edges.items() if name not in leaves}
    assert edges == {}


def test_boto3_is_imported_in_aws_only() -> None:
    wrong = [
        str(found)
        for found in IMPORTS
        if (library := found.target.split(".")[0]) in BOTO
        and package_of(found.file) not in BOTO_USERS[library]
    ]
    assert wrong == []


def test_what_travels_to_lambda_imports_nothing_that_lambda_does_not_have() -> None:
    has = {*sys.stdlib_module_names, "jwt"}
    wrong = [
        str(found)
        for found in IMPORTS
        if (owner := package_of(found.file)) in STANDARD_LIBRARY_ONLY
        and ours(found) != owner
        and found.target.split(".")[0] not in has
    ]
    assert wrong == []


def loaded_at_start() -> set[Path]:
    """The files of `cli` that a command line imports: its command's module (here: all), and what those import at their top."""
    loaded: set[Path] = set()
    waiting = {"whatschat_ops.cli.main", "whatschat_ops.cli.command_line", *MODULES}
    while waiting:
        file = MODULE_FILES[waiting.pop()]
        if file in loaded:
            continue
        loaded.add(file)
        for found in IMPORTS:
            if found.file == file and found.at_top and ours(found) == "cli":
                waiting |= {target} if (target := imported_module(found)) else set()
    return loaded


def test_command_modules_import_no_feature_until_a_command_runs() -> None:
    start = loaded_at_start()
    light = {*LAYERS[-1] - {"handlers"}, "cli"}
    heavy = {*BOTO, "rich", "pydantic", "yaml", "websockets", "jwt"}
    wrong = [
        str(found)
        for found in IMPORTS
        if found.file in start
        and found.at_top
        and (ours(found) not in {None, *light} or found.target.split(".")[0] in heavy)
    ]
    assert len(start) > 15
    assert wrong == []


def test_every_command_module_can_be_found() -> None:
    assert all(importlib.util.find_spec(module) for module in MODULES)
