"""The reference readers, in Python and (run by Node) in JavaScript: the same answers to the same scenarios and vectors."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

from whatschat_ops.migration.cohort import Service
from whatschat_ops.migration.phases import Shares
from whatschat_ops.migration.state import MigrationState, Place
from whatschat_ops.migration.variables import VARIABLES as TABLE

READER: Final = Path(__file__).parents[3] / "docs" / "reader"
HERE: Final = Path(__file__).parent
SCENARIOS: Final[list[dict[str, Any]]] = json.loads((HERE / "scenarios.json").read_text())
VECTORS: Final[list[dict[str, Any]]] = json.loads((READER / "cohort-vectors.json").read_text())["vectors"]


class Refused(Exception):
    """What the scenarios' fetch raises."""


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("migration_reader", READER / "migration_reader.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


PYTHON: Final = load()


def document(chime_new: int, chime_all: int, sockets_new: int, sockets_all: int) -> str:
    place = Place(Shares(chime_new, chime_all), Shares(sockets_new, sockets_all))
    return json.dumps(MigrationState(1, place).document("whatschat-local"))


def run(scenario: dict[str, Any]) -> dict[str, Any]:
    answers: Iterator[Any] = iter(scenario["answers"])
    fetches, now = [0], [0.0]

    def fetch() -> str:
        fetches[0] += 1
        answer = next(answers)
        if answer in ("missing", "failure"):
            raise Refused(answer)
        return answer if isinstance(answer, str) else document(*answer)

    variables = {PYTHON.VARIABLES[service]: value for service, value in scenario["variables"].items()}
    reader = PYTHON.MigrationReader(
        fetch,
        is_missing=lambda error: error.args == ("missing",),
        variables=variables,
        now_s=lambda: now[0],
    )
    modes: list[Any] = []
    for now[0] in scenario["at_s"]:
        try:
            modes.append([reader.mode(service, "alice") for service in ("chime", "websocket")])
        except (Refused, ValueError, KeyError):
            modes.append("raised")
    return {"modes": modes, "fetches": fetches[0]}


@pytest.fixture(scope="module")
def node() -> dict[str, Any]:
    """What the JavaScript reader says to all of it, in one run of Node."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("needs Node.js")
    arguments = (
        HERE / "reader_scenarios.mjs", READER / "migration-reader.mjs", HERE / "scenarios.json",
        READER / "cohort-vectors.json",
    )  # fmt: skip
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, check=True, timeout=60
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("number", range(len(SCENARIOS)), ids=[each["what"] for each in SCENARIOS])
def test_python_reader_answers_a_scenario(number: int) -> None:
    expected = {name: SCENARIOS[number][name] for name in ("modes", "fetches")}
    assert run(SCENARIOS[number]) == expected


def test_javascript_reader_answers_every_scenario(node: dict[str, Any]) -> None:
    assert node["scenarios"] == [{name: each[name] for name in ("modes", "fetches")} for each in SCENARIOS]


def test_both_readers_have_the_buckets_of_the_vectors(node: dict[str, Any]) -> None:
    wanted = [vector["bucket"] for vector in VECTORS]
    assert node["buckets"] == wanted
    python = [PYTHON.bucket(vector["stack"], vector["service"], vector["user"]) for vector in VECTORS]
    assert python == wanted


def test_both_readers_tell_the_client_the_same(node: dict[str, Any]) -> None:
    variables = dict.fromkeys(PYTHON.VARIABLES.values(), "true")
    reader = PYTHON.MigrationReader(lambda: document(100, 0, 100, 100), variables=variables)
    assert reader.for_client("a") == node["client"]
    assert node["client"] == {"webrtc": "chime", "reoffer": "native", "websocket": "apigateway"}
    assert reader.accepts_old_socket("a") is node["old"] is False


@pytest.mark.parametrize("share", [1, 10, 50, 99])
def test_reader_gives_each_user_the_mode_that_the_state_gives(share: int) -> None:
    state = MigrationState(1, Place(Shares(share, share // 2), Shares(share, 0)))
    text = json.dumps(state.document("whatschat-local"))
    reader = PYTHON.MigrationReader(lambda: text, variables=dict.fromkeys(PYTHON.VARIABLES.values(), "true"))
    for user in map(str, range(300)):
        for service in Service:
            own = PYTHON.bucket("whatschat-local", service.value, user)
            assert reader.mode(service.value, user) == state.mode_of(service, own)


def test_reader_reads_the_variables_of_the_table() -> None:
    assert set(PYTHON.VARIABLES.values()) <= {each.name for each in TABLE}
