"""A sample of the ways to break a stack (`python -m tests.breakages` runs them all): one of each area, each done for real."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.breakages import of_secret
from tests.breakages.row import Breakage
from tests.breakages.running import tried, worse
from tests.breakages.table import ROWS, sample, written
from tests.breakages.world import Said, World, provisioned
from tests.in_process import run
from tests.local.conftest import EmbeddedAws
from whatschat_ops.doctor.catalogue import CHECKS

pytestmark = pytest.mark.local

SAMPLE = sample()


@pytest.fixture(scope="module")
def world(embedded_aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with provisioned(embedded_aws, tmp_path_factory.mktemp("broken")) as found:
        yield found


@pytest.fixture(scope="module")
def healthy(world: World) -> Mapping[str, Said]:
    return world.doctor()


@pytest.fixture(autouse=True)
def same_environment(clean_environment: None, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in world.aws.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(world.directory)


def test_a_stack_that_is_all_right_has_no_failure(healthy: Mapping[str, Said]) -> None:
    assert worse({}, healthy) == []
    assert len(healthy) > 10


@pytest.mark.parametrize("row", SAMPLE, ids=lambda row: row.name)
def test_what_is_broken_is_named_alone_and_the_fix_makes_it_well(
    row: Breakage, world: World, healthy: Mapping[str, Said]
) -> None:
    outcome = tried(row, world, healthy, as_process=row is SAMPLE[0])
    assert outcome.problems == ()


def test_every_row_has_its_own_name_and_a_check_of_the_catalogue() -> None:
    assert [name for name, count in Counter(row.name for row in ROWS).items() if count > 1] == []
    assert {row.code for row in ROWS} <= {check.code for check in CHECKS}


def test_the_page_has_every_row_and_each_is_well_again() -> None:
    text = (Path(__file__).parents[2] / "docs" / "doctor-breakages.md").read_text(encoding="utf-8")
    lines = dict(written(text))
    assert list(lines) == [row.name for row in ROWS]
    assert [line for line in lines.values() if not line.endswith("| yes |")] == []


PLANTED = {"API_TOKEN": "planted-api-token", "OPAQUE": "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJhIn0.cGxhbnRlZA"}


def test_a_bundle_has_no_secret_and_gives_the_same_results_without_aws(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions, name = world.client("lambda"), world.names.function("connect")
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**variables, **PLANTED}}
    )
    done = world.cli("doctor", "bundle", str(tmp_path / "bundle.json"))
    assert done.code == 0, done.said
    text = (tmp_path / "bundle.json").read_text(encoding="utf-8")
    secrets = [of_secret.secret(world), world.aws.secret_access_key.reveal(), *PLANTED.values()]
    assert [secret for secret in secrets if secret in text] == []
    made = json.loads(text)["results"]
    assert [each["code"] for each in made if each["status"] == "fail"]

    monkeypatch.chdir(tmp_path)  # no settings, and another state directory: no AWS could be found
    monkeypatch.setenv("WHATSCHAT_OPS_STATE_DIR", str(tmp_path / "state"))
    offline = run("doctor", "--from", "bundle.json", "--json")
    assert offline.code == 3, offline.said
    shown = json.loads(offline.stdout)
    assert [tuple(each[key] for key in ("code", "status", "detail", "evidence")) for each in shown] == [
        tuple(each[key] for key in ("code", "status", "detail", "evidence")) for each in made
    ]
    assert not (tmp_path / "state").exists()


def test_a_file_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text("{}")
    done = run("doctor", "--from", str(tmp_path / "b.json"))
    assert done.code == 2
    assert "no bundle of `doctor`" in done.stderr
    assert run("doctor", "chime", "b.json").code == 2
