"""Each limit of AWS stands once: quotas.py has them, with a source, and no other module writes one down again."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from whatschat_ops import quotas
from whatschat_ops.handlers import limits
from whatschat_ops.pricing.rates import aws_card

PACKAGE: Final = Path(quotas.__file__).parent
OWNERS: Final = {PACKAGE / "quotas.py", PACKAGE / "handlers" / "limits.py"}
FILES: Final = sorted(file for file in PACKAGE.rglob("*.py") if "_vendor" not in file.parts)

DISTINCTIVE: Final = {
    128 * 1024: "MAX_MESSAGE_BYTES",
    32 * 1024: "MAX_FRAME_BYTES or METERED_MESSAGE_BYTES",
    7_200: "MAX_CONNECTION_S",
    29_000: "MAX_INTEGRATION_TIMEOUT_MS",
    10_240: "MAX_FUNCTION_MEMORY_MB or MAX_INLINE_POLICY_CHARACTERS",
    6_144: "MAX_MANAGED_POLICY_CHARACTERS",
    250 * 1024 * 1024: "MAX_CODE_UNZIPPED_BYTES",
    50 * 1024 * 1024: "MAX_CODE_ZIPPED_BYTES",
    6 * 1024 * 1024 + 100: "MAX_RESPONSE_BYTES",
    2_500: "API_REQUESTS_OF_SMALL_REGIONS or DYNAMODB_TABLES",
    1_250: "API_REQUESTS_OF_SMALL_REGIONS",
}
"""Numbers that can hardly mean anything else, wherever they stand."""

LIMIT_NAME: Final = re.compile(
    r"(MAX|MIN|MOST|LARGEST|LONGEST|SHORTEST|LIMIT|QUOTA|IDLE|UNATTENDED|NEW_CONNECTIONS|CONTROL_PLANE)"
)
AMBIGUOUS: Final = {
    600: "MAX_IDLE_S",
    500: "NEW_CONNECTIONS_PER_S",
    10_000: "API_REQUESTS or MAX_MAP_CHILDREN",
    5_000: "API_REQUESTS",
    900: "MAX_FUNCTION_TIMEOUT_S",
    250: "CHIME_MEETINGS or CHIME_ATTENDEES",
    300: "CHIME_UNATTENDED_S",
    86_400: "CHIME_MEETING_S",
    2_048: "MAX_INLINE_POLICY_CHARACTERS",
}
"""Numbers that mean a limit of AWS when a constant named like a limit holds them."""

PATTERNS: Final = {
    "{1,128}": "STAGE_PATTERN",
    "{3,255}": "TABLE_NAME_PATTERN",
    "À-ÿ": "CHIME_EXTERNAL_ID_CHARACTERS",
    "-[a-fA-F0-9]{4}": "CHIME_ID_PATTERN",
    "{15}=": "CONNECTION_ID_PATTERN",
    "HS256": "token_rules.ALGORITHM",
    r"[A-Za-z0-9_-]+\.": "token_rules.looks_like_jwt",
}
"""Parts of patterns and names that stand in one module only."""

OURS: Final = {
    (
        "broadcast/distributed/planning.py",
        "MOST_SEGMENTS",
    ): "shards of a broadcast, which may be more than are at work",
    ("sender/sender.py", "MOST_TCP_CONNECTIONS"): "connections of the sender: not new WebSocket connections",
    ("local/cloudtrail/recorder.py", "MAX_CALLS"): "what is kept in memory",
    (
        "local/control/async_invocations.py",
        "MAX_THROTTLE_INTERVAL_S",
    ): "Lambda's longest pause between attempts",
    ("load/distributed/sharing.py", "MOST_SOCKETS_OF_A_WORKER"): "open files of an execution environment",
    ("stack/parts/alarms.py", "FIVE_MINUTES_S"): "the period of our alarms",
    ("local/control/budgets.py", "MAX_POINTS_PER_METRIC"): "what is kept in memory",
    ("local/process_file.py", "MAX_UNSAVED_CHARACTERS"): "the room of a message in a file",
}
"""Constants of our own that have such a value by chance."""


def value_of(node: ast.expr) -> float | None:
    """The value of an expression of numbers; None for any other."""
    if any(
        not isinstance(part, ast.Constant | ast.BinOp | ast.operator | ast.UnaryOp) for part in ast.walk(node)
    ):
        return None
    try:
        value = eval(compile(ast.Expression(node), "", "eval"), {})
    except (TypeError, ZeroDivisionError):
        return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def constants_of(tree: ast.Module) -> Iterator[tuple[str, float]]:
    """The constants of a module that hold a number."""
    for node in tree.body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        value = value_of(node.value) if isinstance(node, ast.Assign | ast.AnnAssign) and node.value else None
        if value is not None:
            yield from ((target.id, value) for target in targets if isinstance(target, ast.Name))


def strings_of(tree: ast.Module) -> Iterator[str]:
    """The short strings of a module: no docstrings, no sentences."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            yield node.value


def copies_in(file: str, source: str) -> list[str]:
    """The limits that a module writes down although `quotas` has them."""
    tree = ast.parse(source)
    numbers = {
        (getattr(node, "lineno", 0), value)
        for node in ast.walk(tree)
        if isinstance(node, ast.expr) and (value := value_of(node)) in DISTINCTIVE
    }
    found = [f"{file}:{line} writes {value:g}: {DISTINCTIVE[int(value)]}" for line, value in sorted(numbers)]
    return found + [
        f"{file} {name} = {value:g}: {AMBIGUOUS[int(value)]}"
        for name, value in constants_of(tree)
        if value in AMBIGUOUS and LIMIT_NAME.search(name) and (file, name) not in OURS
    ]


def test_no_module_writes_a_limit_down_again() -> None:
    copies = [
        copy
        for file in FILES
        if file not in OWNERS
        for copy in copies_in(file.relative_to(PACKAGE).as_posix(), file.read_text(encoding="utf-8"))
    ]
    assert copies == []


def test_no_module_writes_an_id_pattern_down_again() -> None:
    owners = {*OWNERS, PACKAGE / "handlers" / "token_rules.py"}
    owned = [text for file in owners for text in strings_of(ast.parse(file.read_text(encoding="utf-8")))]
    assert [part for part in PATTERNS if not any(part in text for text in owned)] == []
    copies = [
        f"{file.relative_to(PACKAGE)} writes {text}: {PATTERNS[part]}"
        for file in FILES
        if file not in {*owners, PACKAGE / "redaction.py"}  # which finds tokens within other text
        for text in strings_of(ast.parse(file.read_text(encoding="utf-8")))
        for part in PATTERNS
        if part in text
    ]
    assert copies == []


@pytest.mark.parametrize(
    "source",
    [
        "SIZE = 128 * 1024",
        "def f(): return x > 131_072",
        "IDLE_TIMEOUT_S = 10 * 60",
        "MAX_MEETINGS: int = 250",
    ],
)
def test_a_copy_of_a_limit_is_found(source: str) -> None:
    assert len(copies_in("some.py", source)) == 1


def test_numbers_that_are_no_limit_are_left_alone() -> None:
    assert copies_in("some.py", "PAGE_ROWS = 10_000\nTIMEOUT_S = 300.0\nTEXT = 'MAX 131072'") == []


def test_chance_values_are_still_there() -> None:
    for file, name in OURS:
        assert name in dict(constants_of(ast.parse((PACKAGE / file).read_text(encoding="utf-8"))))


@pytest.mark.parametrize("module", [quotas, limits], ids=lambda module: module.__name__)
def test_every_limit_is_documented(module: ModuleType) -> None:
    """Each constant, or the one after it when two belong together, has a docstring; in quotas.py with its source."""
    body = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")).body
    undocumented = [
        ast.unparse(node.target)
        for node, after, later in zip(body, body[1:], [*body[2:], None], strict=False)
        if isinstance(node, ast.AnnAssign)
        and not ast.unparse(node.target).startswith("_")
        and not _is_text(after)
        and not (isinstance(after, ast.AnnAssign) and _is_text(later))
    ]
    assert undocumented == []


def _is_text(node: ast.stmt | None) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def test_sources_are_those_that_the_module_names() -> None:
    source = Path(quotas.__file__).read_text(encoding="utf-8")
    named = set(re.findall(r"^- ([a-z-]+): ", source, re.MULTILINE))
    used = set(re.findall(r"\((?:[^()]*; )?([a-z]+(?:-[a-z]+)+)[,;)]", source))
    assert named == used


def test_quota_codes_have_the_form_of_service_quotas() -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in FILES)
    assert {code for code in re.findall(r"\bL-\w+", text) if not re.fullmatch("L-[0-9A-F]{8}", code)} == set()


def test_the_rate_card_meters_messages_as_quotas_says() -> None:
    metered_kb = aws_card().rates["websocket_messages"].metered_kb
    assert metered_kb is not None and metered_kb * 1024 == quotas.METERED_MESSAGE_BYTES


@pytest.mark.parametrize(
    ("region", "limit"),
    [("us-east-1", (10_000, 5_000)), ("mx-central-1", (2_500, 1_250)), ("unknown-1", (10_000, 5_000))],
)
def test_an_account_has_the_rate_of_its_region(region: str, limit: tuple[float, int]) -> None:
    assert quotas.account_limit(region) == limit
