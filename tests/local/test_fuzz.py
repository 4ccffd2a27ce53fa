"""A fixed part of what `python -m tests.fuzz` runs: command lines and files, against each kind of endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.files import KINDS
from tests.fuzz.judge import Ended, Finding, judge
from tests.fuzz.lines import Line
from tests.fuzz.runner import ENDPOINTS, Case, Fuzzer, cases, findings
from tests.local.conftest import EmbeddedAws

# Its own watchdog uses the alarm that pytest-timeout would use.
pytestmark = [pytest.mark.local, pytest.mark.timeout(900, method="thread")]

SEED = 11
LINES, FILES, PROCESSES = 210, 144, 4


@pytest.fixture(scope="module")
def fuzzer(embedded_aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzer]:
    real = {"WHATSCHAT_LOCAL_PORT": str(embedded_aws.port), "WHATSCHAT_PREFIX": "fuzz-"}
    root = tmp_path_factory.mktemp("fuzz")
    found = Fuzzer(root, SEED, real, embedded_aws.state_directory, slow=False, hang_s=300)
    with found.serving():
        yield found
        found.run_line(Case("line", 0, "real"), Line(("destroy", "--yes", "--delete-data")))


MADE = cases(LINES, FILES, PROCESSES)
GROUPS = {
    **{
        f"lines-{endpoint}": [case for case in MADE if (case.kind, case.endpoint) == ("line", endpoint)]
        for endpoint in ENDPOINTS
    },
    **{f"files-{kind.replace(' ', '-')}": [case for case in MADE if case.kind == kind] for kind in KINDS},
    "processes": [case for case in MADE if case.kind == "process"],
}


@pytest.mark.parametrize("group", GROUPS)
def test_whatever_is_typed_or_read_ends_in_words_and_the_right_exit_code(fuzzer: Fuzzer, group: str) -> None:
    found = findings([fuzzer.run(case) for case in GROUPS[group]])
    assert not found, "\n".join(
        f"{finding}: {runs[0].case} {runs[0].arguments}" for finding, runs in found.items()
    )


@pytest.mark.parametrize(
    ("ended", "kind"),
    [
        (Ended(1, "", "Error: Something went wrong inside whatschat-ops: KeyError: 'x'\n"), "internal error"),
        (Ended(None, "", "", "Traceback (most recent call last):\nValueError: x"), "traceback"),
        (Ended(1, "", "Traceback (most recent call last):\n  File x\nValueError: x"), "traceback"),
        (Ended(None, "", "", hung=True), "hang"),
        (Ended(139, "", "Error: x\n"), "exit code"),
        (Ended(0, "", "Error: x\n"), "exit code"),
        (Ended(1, "", ""), "exit code"),
        (
            Ended(1, '{"error": {"code": "usage", "message": "x", "hint": null, "argv": null}}', ""),
            "exit code",
        ),
        (Ended(0, "text", ""), "not JSON"),
    ],
)
def test_a_run_that_ends_badly_is_a_finding(ended: Ended, kind: str) -> None:
    found = judge(["status", "--json"], ended)
    assert isinstance(found, Finding)
    assert found.kind == kind


def test_a_mistake_that_is_taken_is_a_finding() -> None:
    assert judge(["status", "--no-such"], Ended(0, "x", ""), expected=2) is not None


def test_a_run_that_ends_well_is_none() -> None:
    assert judge(["status"], Ended(1, "", "Error: x\n")) is None
    assert judge(["status", "--json"], Ended(0, "{}", "")) is None
    usage = '{"error": {"code": "usage", "message": "x", "hint": null, "argv": null}}'
    assert judge(["status", "--json"], Ended(2, usage, ""), expected=2) is None


def test_the_guard_lets_nothing_out(fuzzer: Fuzzer, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    ended = fuzzer.run_line(Case("line", 0, "real"), Line(("config", "schema", "--output", str(outside))))
    assert ended.code not in (0, None)
    assert not outside.exists()
    elsewhere = Line(("ws", "connect", "--token", "x", "--endpoint", "wss://ws.example.com/production"))
    assert fuzzer.run_line(Case("line", 0, "real"), elsewhere).code == 1
