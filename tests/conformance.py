"""What the tests say about AWS: the conformance tests of each area, and the differences that remain.

    python -m tests.conformance

Reads the markers `@pytest.mark.aws(source)` and `@pytest.mark.difference(subject, aws=, here=)` from the syntax trees of the
tests, so that docs/generate.py needs neither pytest nor an embedded AWS.
"""

from __future__ import annotations

import ast
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parent

AREAS: Final[Mapping[str, str]] = {
    "admission": "Who may send requests",
    "unsigned": "Who may send requests",
    "authorization": "IAM",
    "denials": "IAM",
    "guard": "IAM",
    "passed": "IAM",
    "records": "Lambda",
    "lambda": "Lambda",
    "executor": "Lambda",
    "async": "Lambda",
    "callbacks": "Lambda",
    "metered": "Lambda",
    "gateway": "API Gateway",
    "deployments": "API Gateway",
    "authorizers": "API Gateway",
    "integrations": "API Gateway",
    "chime": "Chime SDK meetings",
    "cloudformation": "CloudFormation",
    "sam": "CloudFormation",
    "s3": "S3",
    "dynamodb": "DynamoDB",
    "update": "DynamoDB",
    "account": "Service Quotas",
    "cloudtrail": "CloudTrail",
    "parameters": "Parameters that nothing is done with",
    "logs": "CloudWatch Logs",
    "log": "CloudWatch Logs",
    "filter": "CloudWatch Logs",
    "metrics": "CloudWatch",
    "metric": "CloudWatch",
    "events": "EventBridge",
}
"""First word of a test file's name -> area. Another file is an area of its own."""


class NotLiteralError(ValueError):
    """A marker cannot be read without running the test."""


@dataclass(frozen=True)
class Difference:
    """One row of docs/embedded-aws.md."""

    subject: str
    aws: str
    here: str
    path: str
    """Of the test that proves `here`, below `tests/`."""


@dataclass(frozen=True)
class MarkedTest:
    """A test function with what its markers say."""

    path: str
    aws_cases: int
    """Cases with a source of AWS's behaviour; 0: none."""
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Marks:
    """The markers of a module, class, function or row of parameters."""

    sources: tuple[str, ...] = ()
    differences: tuple[tuple[str, str, str], ...] = ()
    """Subject, AWS, here."""

    def __add__(self, other: Marks) -> Marks:
        return Marks(self.sources + other.sources, self.differences + other.differences)


def marked_tests(path: str, source: str) -> list[MarkedTest]:
    """The tests of a module that have one of the two markers.

    Raises:
        NotLiteralError: an argument of a marker is not written out; the message has file and line.
    """
    try:
        tree = ast.parse(source)
        return [test for test in _marked(path, tree, _constants(tree)) if test.aws_cases or test.differences]
    except NotLiteralError as error:
        raise NotLiteralError(f"tests/{path}:{error}") from None


def _marked(path: str, tree: ast.Module, constants: Mapping[str, ast.expr]) -> Iterator[MarkedTest]:
    for decorators in _functions(tree.body, _pytestmark(tree.body)):
        own = _marks(decorators)
        tables = [[_row_marks(row) for row in rows] for rows in _parameter_rows(decorators, constants)]
        cases = math.prod(len(table) for table in tables)
        in_rows = [
            (cases // len(table)) * sum(bool(row.sources) for row in table) for table in tables if table
        ]
        rows = [difference for table in tables for row in table for difference in row.differences]
        yield MarkedTest(
            path=path,
            aws_cases=cases if own.sources else max(in_rows, default=0),
            differences=tuple(Difference(*texts, path) for texts in (*own.differences, *rows)),
        )


def _functions(body: Iterable[ast.stmt], inherited: Sequence[ast.expr]) -> Iterator[list[ast.expr]]:
    """For each test function its decorators, after those of its class and module."""
    for node in body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from _functions(node.body, [*inherited, *node.decorator_list, *_pytestmark(node.body)])
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield [*inherited, *node.decorator_list]


def _pytestmark(body: Iterable[ast.stmt]) -> list[ast.expr]:
    return _listed(_assignments(body).get("pytestmark"))


def _constants(tree: ast.Module) -> Mapping[str, ast.expr]:
    """The names of a module whose values are written out."""
    kinds = (ast.List, ast.Tuple, ast.Set, ast.Dict)
    return {name: value for name, value in _assignments(tree.body).items() if isinstance(value, kinds)}


def _assignments(body: Iterable[ast.stmt]) -> dict[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        found |= {target.id: value for target in targets if isinstance(target, ast.Name) and value}
    return found


def _parameter_rows(
    decorators: Iterable[ast.expr], constants: Mapping[str, ast.expr]
) -> list[list[ast.expr]]:
    """The rows of each `parametrize`; one that is computed counts as one row."""
    return [
        _written_rows(node.args[1], constants) or [node.args[1]]
        for node in decorators
        if isinstance(node, ast.Call) and _marker(node) == "parametrize" and len(node.args) > 1
    ]


def _written_rows(value: ast.expr, constants: Mapping[str, ast.expr]) -> list[ast.expr]:
    if isinstance(value, ast.Name):
        value = constants.get(value.id, value)
    if isinstance(value, ast.Dict):
        return [key for key in value.keys if key is not None]
    if not isinstance(value, ast.List | ast.Tuple | ast.Set):
        return []
    rows: list[ast.expr] = []
    for row in value.elts:
        rows += _written_rows(row.value, constants) if isinstance(row, ast.Starred) else [row]
    return rows


def _row_marks(row: ast.expr) -> Marks:
    if not isinstance(row, ast.Call):
        return Marks()
    marks = next((keyword.value for keyword in row.keywords if keyword.arg == "marks"), None)
    return _marks(_listed(marks))


def _listed(value: ast.expr | None) -> list[ast.expr]:
    if value is None:
        return []
    return list(value.elts) if isinstance(value, ast.List | ast.Tuple) else [value]


def _marks(nodes: Iterable[ast.expr]) -> Marks:
    found = Marks()
    for node in nodes:
        name = _marker(node)
        if name == "aws":
            found += Marks(sources=(*_texts(node, "aws", "source"),))
        elif name == "difference":
            subject, aws, here = _texts(node, "difference", "subject", "aws", "here")
            found += Marks(differences=((subject, aws, here),))
    return found


def _marker(node: ast.expr) -> str:
    """`name` of `pytest.mark.name` or `pytest.mark.name(...)`; empty for anything else."""
    function = node.func if isinstance(node, ast.Call) else node
    is_mark = isinstance(function, ast.Attribute) and isinstance(function.value, ast.Attribute)
    return function.attr if is_mark and function.value.attr == "mark" else ""  # type: ignore[attr-defined]


def _texts(node: ast.expr, name: str, *parameters: str) -> tuple[str, ...]:
    """The arguments of a marker, which must be texts that are written out."""
    call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
    given = dict(zip(parameters, call.args, strict=False)) | {row.arg: row.value for row in call.keywords}
    texts = tuple(_text(given.get(parameter)) for parameter in parameters)
    if not all(texts):
        raise NotLiteralError(
            f"{node.lineno}: mark.{name} needs {', '.join(parameters)} as texts that are written out"
        )
    return texts


def _text(value: ast.expr | None) -> str:
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


@cache
def all_marked_tests() -> tuple[MarkedTest, ...]:
    """Those of the repository, by file."""
    sources = {path: path.read_text(encoding="utf-8") for path in sorted(TESTS.rglob("test_*.py"))}
    return tuple(
        test
        for path, source in sources.items()
        if "mark.aws(" in source or "mark.difference(" in source
        for test in marked_tests(path.relative_to(TESTS).as_posix(), source)
    )


def area(path: str) -> str:
    """What a test file is about, by its name: `local/test_conformance_logs.py` is about logs."""
    words = [
        word
        for word in path.rpartition("/")[2].removesuffix(".py").split("_")
        if word not in ("test", "conformance")
    ]
    return AREAS.get(words[0], " ".join(words).capitalize())


def area_table(tests: Iterable[MarkedTest]) -> list[str]:
    """Tests, cases and files of each area, in Markdown, and the number of differences."""
    tests = list(tests)
    areas: dict[str, list[MarkedTest]] = defaultdict(list)
    for test in tests:
        if test.aws_cases:
            areas[area(test.path)].append(test)
    rows = [_area_row(name, areas[name]) for name in sorted(areas)]
    every = [test for found in areas.values() for test in found]
    total = f"| **all** | {len(every)} | {sum(test.aws_cases for test in every)} | |"
    differences = len({difference for test in tests for difference in test.differences})
    head = ["| Area | Tests | Cases | Files in `tests/` |", "|---|---|---|---|"]
    return [*head, *rows, total, f"| **differences that remain** | | {differences} | |"]


def _area_row(name: str, tests: Sequence[MarkedTest]) -> str:
    files = ", ".join(f"`{path}`" for path in sorted({test.path for test in tests}))
    return f"| {name} | {len(tests)} | {sum(test.aws_cases for test in tests)} | {files} |"


def difference_table(tests: Iterable[MarkedTest]) -> list[str]:
    """Every difference with the file of its test, by subject, in Markdown."""
    found = dict.fromkeys(difference for test in tests for difference in test.differences)
    rows = [
        f"| {_cell(row.subject)} | {_cell(row.aws)} | {_cell(row.here)} | `{row.path}` |"
        for row in sorted(found, key=lambda row: row.subject.casefold())
    ]
    return ["| Subject | AWS | Here | Test in `tests/` |", "|---|---|---|---|", *rows]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    tests = all_marked_tests()
    sys.stdout.write("\n".join([*area_table(tests), "", *difference_table(tests)]) + "\n")
