"""`migrate` on the embedded AWS: a walk from phase 0 to 4 and back, two operators, a kill, IAM, doctor and destroy."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.in_process import Cli as InProcessCli
from tests.local.conftest import EmbeddedAws
from tests.minimality.removal import User
from whatschat_ops.aws import Aws, connect
from whatschat_ops.cli.run import CommonOptions, Run
from whatschat_ops.cli.target import aws_target
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import Blocked, ExitCode
from whatschat_ops.migration import decisions
from whatschat_ops.migration.cohort import Service, bucket
from whatschat_ops.migration.migrating import Migrating
from whatschat_ops.migration.state import Hold, MigrationState
from whatschat_ops.migration.store import MigrationStore
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.policies import policy_of
from whatschat_ops.stack.waiting import Waiting

pytestmark = pytest.mark.local

SETTINGS = Settings.of({"prefix": "mig-"})
NAMES = Names(SETTINGS)
FORCED = ("--force", "--yes")
"""The gate has tests of its own."""


class Cli(InProcessCli):
    """That also says why a command is refused."""

    def refused(self, *arguments: str, code: int = ExitCode.FAILED) -> str:
        return str(self.json(*arguments, code=code)["error"]["message"])


@pytest.fixture(scope="module")
def provisioned(embedded_aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    config = tmp_path_factory.mktemp("migrate") / "local.yaml"
    config.write_text("prefix: mig-\n", encoding="utf-8")
    made = Cli(config)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in embedded_aws.environment().items():
            patch.setenv(name, value)
        assert made("provision", "--yes").code == ExitCode.DONE
        yield made
        assert made("destroy", "--yes", "--delete-data").code == ExitCode.DONE


@pytest.fixture
def cli(
    provisioned: Cli,
    clean_environment: None,
    embedded_aws: EmbeddedAws,
    monkeypatch: pytest.MonkeyPatch,
) -> Cli:
    """Phase 0: neither row nor parameter."""
    for name, value in embedded_aws.environment().items():
        monkeypatch.setenv(name, value)
    key = {"stack": {"S": f"{NAMES.stack}#migration"}}
    embedded_aws.client("dynamodb").delete_item(TableName=NAMES.lock_table, Key=key)
    embedded_aws.client("ssm").delete_parameters(Names=[NAMES.migration_parameter])
    return provisioned


@pytest.fixture
def aws(cli: Cli) -> Aws:
    made = Run()
    made.take(CommonOptions(config=cli.config))
    return connect(aws_target(made.loaded, made.out))


def parameter(embedded_aws: EmbeddedAws) -> dict[str, Any]:
    answer = embedded_aws.client("ssm").get_parameter(Name=NAMES.migration_parameter)
    found: dict[str, Any] = json.loads(answer["Parameter"]["Value"])
    return found


def look(aws: Aws, command: str = "whatschat-ops migrate") -> Migrating:
    return Migrating.look(SETTINGS, aws, command, Waiting())


def walk(cli: Cli) -> list[str]:
    """From phase 0 to drained, each phase for all users at once. The places in words."""
    places = [cli.json("migrate", "start", "--share", "100", "--yes")["after"]]
    places += [cli.json("migrate", "advance", "--share", "100", *FORCED)["after"] for _ in range(3)]
    return [*places, cli.json("migrate", "advance", "--drained", *FORCED)["after"]]


PLACES = [
    "phase 1: 100 %",
    "phase 2: 100 %",
    "phase 2: 100 %, phase 3: 100 %",
    "phase 2: 100 %, phase 4: 100 %",
    "phase 2: 100 %, phase 4: 100 %, drained",
]


def test_history_has_who_when_why_from_and_to(cli: Cli) -> None:
    before = datetime.now(UTC) - timedelta(minutes=1)
    cli.json("migrate", "start", "--share", "10", "--yes", "--reason", "CHG-1042")
    cli.json("migrate", "advance", *FORCED, "--reason", "looks good")
    cli.json("migrate", "hold", "--reason", "incident 512")
    newest, middle, first, *_ = cli.json("migrate", "history")
    assert (first["action"], first["before"], first["after"]) == ("migrate.start", "phase 0", "phase 1: 10 %")
    assert (first["reason"], first["outcome"], first["serial"]) == ("CHG-1042", "succeeded", 1)
    assert first["by"].startswith("arn:aws:iam::") and datetime.fromisoformat(first["at"]) > before
    assert (middle["before"], middle["after"], middle["forced"]) == ("phase 1: 10 %", "phase 1: 50 %", True)
    assert newest["after"] == "phase 1: 50 % (held)"
    assert "incident 512" in cli("migrate", "history").stdout
    cli.json("migrate", "hold", "--release")
    assert [each["released"] for each in cli.json("migrate", "history")[:2]] == [True, False]
    assert "hold --release" in cli("migrate", "history").stdout


def test_hold_refuses_steps_and_lets_rollback_through(cli: Cli) -> None:
    cli.json("migrate", "start", "--share", "10", "--yes")
    assert cli.json("migrate", "hold", "--reason", "incident 512")["held"] == "incident 512"
    assert "held: incident 512" in cli.refused("migrate", "advance", *FORCED)
    assert "held: incident 512" in cli.refused("migrate", "plan")
    assert cli.json("migrate", "rollback")["after"] == "phase 0 (held)"
    assert cli.json("migrate", "hold", "--release")["held"] is None


def test_plan_changes_nothing_and_says_what_would(cli: Cli, embedded_aws: EmbeddedAws) -> None:
    planned = cli.json("migrate", "plan")
    assert (planned["changed"], planned["before"], planned["after"]) == (False, "phase 0", "phase 1: 10 %")
    assert planned["affected"][0]["percent"] == 10
    assert {each["name"]: each["effect"] for each in planned["switches"]} == {
        "SSM parameter": "at once",
        "AWS_CHIME_ENABLED": "restart of the backend",
        "AWS_CHIME_REGION": "restart of the backend",
        "AWS_CHIME_MEDIA_REGION": "restart of the backend",
        "NEXT_PUBLIC_API_URL": "build of the web client",
    }
    shown = cli("migrate", "plan").stdout
    assert "Planned   phase 0 → phase 1: 10 %" in shown
    assert "10 % of the users of chime" in shown and "restart of the backend" in shown
    assert "calls that begin, backend with the reader" in shown
    with pytest.raises(embedded_aws.client("ssm").exceptions.ParameterNotFound):
        parameter(embedded_aws)
    assert cli.json("migrate", "status")["serial"] == 0


@pytest.mark.parametrize(
    "line",
    [
        ("plan", "--rollback", "--drained"),
        ("plan", "--off", "chime", "--share", "5"),
        ("plan", "--off", "sockets"),
        ("plan", "--replay", "0"),
        ("plan", "--replay", "24h", "--rollback"),
        ("plan", "--replay", "24h", "--gate"),
        ("start", "--share", "0"),
        ("start", "--share", "1e2"),
        ("advance", "--share", "101"),
        ("advance", "--service", "CHIME"),
        ("advance", "--drained", "--share", "5"),
        ("advance", "--drained", "--comparison", "compared.json"),
        ("history", "--limit", "0"),
    ],
)
def test_line_that_is_not_valid_is_an_error_of_usage(cli: Cli, line: tuple[str, ...]) -> None:
    assert cli("migrate", *line).code == ExitCode.USAGE


@pytest.fixture
def sockets(embedded_aws: EmbeddedAws) -> Iterator[list[str]]:
    """The users of 40 open sockets, and one whose row has expired."""
    dynamodb, now = embedded_aws.client("dynamodb"), datetime.now(UTC)
    users = [f"user-{number % 30}" for number in range(40)]
    rows = [(f"c{number}", user, now + timedelta(hours=1)) for number, user in enumerate(users)]
    for name, user, expires in [*rows, ("expired", "late", now - timedelta(hours=1))]:
        item = {
            "connectionId": {"S": name},
            "userId": {"S": user},
            "ttl": {"N": f"{expires.timestamp():.0f}"},
        }
        dynamodb.put_item(TableName=NAMES.connections_table, Item=item)
    yield users
    for name in (*(row[0] for row in rows), "expired"):
        dynamodb.delete_item(TableName=NAMES.connections_table, Key={"connectionId": {"S": name}})


def test_service_with_open_sockets_is_switched_off_after_a_count_and_a_confirmation(
    cli: Cli, embedded_aws: EmbeddedAws, sockets: list[str]
) -> None:
    cli.json("migrate", "start", "--service", "websocket", "--share", "40", "--yes")
    moved = [user for user in sockets if bucket(NAMES.stack, Service.WEBSOCKET, user) < 40]
    assert 0 < len(set(moved)) < len(moved) < len(sockets)
    planned = cli.json("migrate", "plan", "--off", "websocket")["affected"]
    assert planned == [
        {
            "service": "websocket",
            "percent": 40,
            "users": len(set(moved)),
            "sockets": len(moved),
            "meetings": None,
        }
    ]
    for line in (("rollback",), ("rollback", "--off", "websocket")):
        assert f"websocket with {len(moved)} open sockets of {len(set(moved))} users?" in cli.refused(
            "migrate", *line, code=ExitCode.USAGE
        )
    assert parameter(embedded_aws)["websocket"]["new"] == 40
    done = cli.json("migrate", "rollback", "--off", "websocket", "--yes")
    assert (done["after"], done["affected"]) == ("phase 0", planned)
    assert {each["client"]: each["within_s"] for each in done["follows"]} == {
        "sockets that are opened, backend with the reader": 10,
        "sockets that are open on API Gateway": 7_200,
        "backends without the reader": None,
        "web clients that do not ask for their mode": None,
    }
    assert cli.json("migrate", "status")["open"]["sockets"] == len(sockets)  # none was closed


def test_chime_with_a_meeting_is_switched_off_after_a_count_and_a_confirmation(cli: Cli) -> None:
    cli.json("migrate", "start", "--yes")
    meeting = cli.json("chime", "meeting", "create", "--user", "alice")["meeting"]["meeting_id"]
    try:
        assert "chime with 1 meeting in progress?" in cli.refused("migrate", "rollback", code=ExitCode.USAGE)
        assert cli.json("migrate", "rollback", "--yes")["affected"][0]["meetings"] == 1
        assert cli.json("migrate", "status")["open"]["meetings"] == 1
    finally:
        cli("chime", "meeting", "delete", meeting, "--yes")


def test_status_shows_what_is_left_on_the_old_path(cli: Cli, embedded_aws: EmbeddedAws) -> None:
    assert cli.json("migrate", "status")["open"]["old_sockets"] is None
    assert "sockets not known" in cli("migrate", "status").stdout
    dimensions = [{"Name": "Stack", "Value": NAMES.stack}, {"Name": "Service", "Value": "websocket"}]
    data = [{"MetricName": "Open", "Dimensions": dimensions, "Value": 12.0, "Timestamp": datetime.now(UTC)}]
    embedded_aws.client("cloudwatch").put_metric_data(Namespace="WhatsChat/OldPath", MetricData=data)
    assert cli.json("migrate", "status")["open"]["old_sockets"] == 12
    assert "12 sockets" in cli("migrate", "status").stdout


# --- two operators, and kills -------------------------------------------------------------------------------------


def test_operator_is_refused_with_who_holds_the_lock(cli: Cli, aws: Aws) -> None:
    cli.json("migrate", "start", "--yes")
    first = look(aws, "whatschat-ops migrate advance")
    with first.lock.hold(first.lock_seen):
        refused = cli.refused("migrate", "rollback")
    assert aws.caller_arn in refused and "migrate advance" in refused
    assert cli.json("migrate", "rollback")["after"] == "phase 0"


def test_second_of_two_operators_who_read_the_same_state_is_refused_with_who_was_first(
    cli: Cli, aws: Aws
) -> None:
    cli.json("migrate", "start", "--yes")
    first, second = look(aws), look(aws)
    state = first.stored.state
    first.change(decisions.rollback(state), "rollback")
    with pytest.raises(Blocked) as refused:
        second.change(decisions.advance(state, None, None, (50,), tuple(Service)), "advance")
    assert f"{aws.caller_arn} changed the migration at " in refused.value.message
    assert "(rollback): it is now in phase 0" in refused.value.message
    assert look(aws).stored.state.place.words == "phase 0"


def test_write_against_a_serial_that_has_moved_is_refused_without_the_lock_too(cli: Cli, aws: Aws) -> None:
    store = MigrationStore(aws, NAMES)
    cli.json("migrate", "start", "--yes")
    seen = store.read()
    store.change(seen, decisions.hold(seen.state, Hold("first")), by="first", action="hold")
    with pytest.raises(Blocked) as refused:
        store.change(seen, decisions.hold(seen.state, Hold("second")), by="second", action="hold")
    assert "first changed the migration" in refused.value.message
    assert store.read().state.hold == Hold("first")


def test_write_whose_answer_was_lost_is_not_taken_for_another_operators(cli: Cli, aws: Aws) -> None:
    store = MigrationStore(aws, NAMES)
    cli.json("migrate", "start", "--yes")
    seen = store.read()
    wanted = decisions.hold(seen.state, Hold("why"))
    for _ in range(2):
        store.change(seen, wanted, by="me", action="hold")
    assert store.read().state == wanted


KILLED = """
import os, sys
from whatschat_ops.migration.store import MigrationStore
def stop(*_, **__):
    os.kill(os.getpid(), 9)
MigrationStore.{method} = stop
from whatschat_ops.cli.main import main
main(sys.argv[1:])
"""


def kill_in(cli: Cli, embedded_aws: EmbeddedAws, method: str, *line: str) -> None:
    """The process kills itself where it would enter a method, as `kill -9` at that moment would."""
    arguments = ["--config", str(cli.config), "migrate", *line]
    done = subprocess.run(
        [sys.executable, "-c", KILLED.format(method=method), *arguments],
        env=embedded_aws.environment(), check=False, capture_output=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def test_change_that_was_killed_before_its_parameter_is_finished_by_the_next_command(
    cli: Cli, embedded_aws: EmbeddedAws
) -> None:
    cli.json("migrate", "start", "--share", "10", "--yes")
    kill_in(cli, embedded_aws, "_put_parameter", "advance", *FORCED, "--reason", "to see")
    assert parameter(embedded_aws)["chime"]["new"] == 10
    status = cli.json("migrate", "status")
    assert (status["shares"]["1"], status["serial"]) == (50, 2)
    assert "was not finished" in status["problem"]
    assert cli.json("migrate", "history")[0]["outcome"] == "started"
    [found] = cli.json("doctor", "--only", "ST050", code=ExitCode.CHANGES)
    assert (found["status"], found["fix"].split()[-2:]) == ("fail", ["migrate", "start"])
    finished = cli.json("migrate", "advance", *FORCED)  # not judged by any gate yet: nothing but the finish
    assert (finished["finished"], finished["changed"], finished["after"]) == (True, False, "phase 1: 50 %")
    assert parameter(embedded_aws)["chime"]["new"] == 50
    assert cli.json("migrate", "status")["problem"] is None


def test_change_that_was_killed_before_its_parameter_is_undone_by_a_rollback(
    cli: Cli, embedded_aws: EmbeddedAws
) -> None:
    kill_in(cli, embedded_aws, "_put_parameter", "start", "--yes")
    assert cli.json("migrate", "rollback")["after"] == "phase 0"
    assert parameter(embedded_aws)["chime"]["new"] == 0
    assert cli.json("migrate", "status")["problem"] is None


def test_change_that_was_killed_before_its_row_has_changed_nothing(
    cli: Cli, embedded_aws: EmbeddedAws
) -> None:
    cli.json("migrate", "start", "--share", "10", "--yes")
    kill_in(cli, embedded_aws, "change", "rollback", "--yes")
    assert cli.json("migrate", "status")["problem"] is None
    assert cli.json("migrate", "rollback")["after"] == "phase 0"


def test_process_that_lost_the_lock_publishes_the_newest_row(
    cli: Cli, aws: Aws, embedded_aws: EmbeddedAws
) -> None:
    cli.json("migrate", "start", "--share", "10", "--yes")
    store = MigrationStore(aws, NAMES)
    put = store._put_parameter
    overtaken: list[str] = []

    def overtake(value: str) -> None:
        put(value)
        if not overtaken:
            overtaken.append(value)
            seen = store.read()
            store.change(seen, decisions.rollback(seen.state), by="other", action="rollback")
            put(value)  # the slow write arrives after the newer one

    store._put_parameter = overtake  # type: ignore[method-assign]
    store.publish()
    assert parameter(embedded_aws)["chime"]["new"] == 0
    assert not store.read().is_half_done


def test_parameter_that_was_changed_by_hand_is_found_and_repaired(
    cli: Cli, embedded_aws: EmbeddedAws
) -> None:
    cli.json("migrate", "start", "--share", "10", "--yes")
    ssm = embedded_aws.client("ssm")
    for value in (json.dumps(parameter(embedded_aws) | {"phase": 3}), "{nonsense", "[" * 100_00):
        ssm.put_parameter(Name=NAMES.migration_parameter, Value=value[:4_000], Overwrite=True)
        assert "changed by something else" in cli.json("migrate", "status")["problem"]
        [found] = cli.json("doctor", "--only", "ST050", code=ExitCode.CHANGES)
        assert found["status"] == "fail"
        assert cli.json("migrate", "start")["finished"] is True
        assert parameter(embedded_aws)["chime"]["new"] == 10
    ssm.delete_parameter(Name=NAMES.migration_parameter)
    assert "does not exist" in cli.json("migrate", "status")["problem"]
    assert cli.json("migrate", "start")["finished"] is True
    [found] = cli.json("doctor", "--only", "ST050")
    assert found["status"] == "ok"


def test_row_that_is_not_ours_is_unusable(cli: Cli, embedded_aws: EmbeddedAws) -> None:
    item = {"stack": {"S": f"{NAMES.stack}#migration"}, "serial": {"N": "1"}, "written": {"N": "1"}}
    for state in ("{}x", "[" * 5_000, '{"serial": "x"}', '{"place": {"chime": {"new": "all"}}}'):
        embedded_aws.client("dynamodb").put_item(
            TableName=NAMES.lock_table, Item={**item, "state": {"S": state}}
        )
        assert "cannot be read" in cli.refused("migrate", "status")


# --- the stack around it ------------------------------------------------------------------------------------------


def test_settings_that_turn_a_service_off_refuse_its_steps_and_are_found(cli: Cli, tmp_path: Path) -> None:
    cli.json("migrate", "start", "--share", "10", "--yes")
    config = tmp_path / "off.yaml"
    config.write_text("prefix: mig-\nchime: {enabled: false}\n", encoding="utf-8")
    off = Cli(config)
    assert "chime.enabled is false" in off.refused("migrate", "advance", "--service", "chime", *FORCED)
    [found] = off.json("doctor", "--only", "ST051")
    assert found["status"] == "warn" and "chime.enabled is false" in found["detail"]
    assert off.json("migrate", "rollback", "--off", "chime")["after"] == "phase 0"


def test_operator_with_the_printed_policy_walks_from_0_to_4_and_back(
    cli: Cli, embedded_aws: EmbeddedAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = User(embedded_aws.client, "mig-operator")
    policy = policy_of("operator-migration", SETTINGS, Place("us-east-1", "000000000000"), "*")
    for name, value in embedded_aws.aws_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", operator.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", operator.secret_access_key)
    config = tmp_path / "operator.yaml"
    config.write_text("prefix: mig-\nlocal: {enabled: false}\n", encoding="utf-8")
    theirs = Cli(config)
    operator.may(
        {**policy, "Statement": [each for each in policy["Statement"] if each["Sid"] != "Parameter"]}
    )
    refused = theirs.json("migrate", "start", "--yes", code=ExitCode.FAILED)["error"]
    assert "ssm:GetParameter" in refused["message"]
    assert refused["argv"][-3:] == ["iam", "policies", "operator-migration"]
    operator.may(policy)
    assert walk(theirs) == PLACES
    found = parameter(embedded_aws)
    assert (found["serial"], found["stack"], found["phase"], found["drained"]) == (5, NAMES.stack, 4, True)
    assert found["websocket"] == {"new": 100, "all": 100}
    assert theirs.json("migrate", "status")["phase"] == 4
    back = [theirs.json("migrate", "rollback", "--yes")["after"] for _ in PLACES]
    assert back == [*reversed(PLACES[:-1]), "phase 0"]
    assert parameter(embedded_aws)["chime"] == {"new": 0, "all": 0}
    assert "nothing to roll back" in theirs.refused("migrate", "rollback")
    assert len(theirs.json("migrate", "history")) >= 10
    reader = policy_of("backend-migration", SETTINGS, Place("us-east-1", "000000000000"), "*")
    operator.may(reader)
    ssm = embedded_aws.client_as(operator.access_key_id, operator.secret_access_key, "ssm")
    assert json.loads(ssm.get_parameter(Name=NAMES.migration_parameter)["Parameter"]["Value"])["phase"] == 0


def test_provision_keeps_the_parameter_and_destroy_deletes_it(
    embedded_aws: EmbeddedAws, clean_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in embedded_aws.environment().items():
        monkeypatch.setenv(name, value)
    config = tmp_path / "gone.yaml"
    config.write_text("prefix: miggone-\n", encoding="utf-8")
    own, name = Cli(config), Names(Settings.of({"prefix": "miggone-"})).migration_parameter
    assert own("table", "create", "--yes").code == ExitCode.DONE
    own.json("migrate", "start", "--yes")
    planned = json.dumps(own.json("plan"))
    assert name not in planned
    assert own("destroy", "--yes").code == ExitCode.DONE
    with pytest.raises(embedded_aws.client("ssm").exceptions.ParameterNotFound):
        embedded_aws.client("ssm").get_parameter(Name=name)
    assert own.json("migrate", "status")["serial"] == 0


def test_destroy_without_the_right_to_a_migration_deletes_nothing_and_names_the_policy(
    embedded_aws: EmbeddedAws, clean_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.of({"prefix": "migkept-"})
    for name, value in embedded_aws.aws_environment().items():
        monkeypatch.setenv(name, value)
    config = tmp_path / "kept.yaml"
    config.write_text("prefix: migkept-\nlocal: {enabled: false}\n", encoding="utf-8")
    theirs, place = Cli(config), Place("us-east-1", "000000000000")
    assert theirs("table", "create", "--yes").code == ExitCode.DONE
    theirs.json("migrate", "start", "--yes")
    operator = User(embedded_aws.client, "migkept-operator")
    operator.may(policy_of("operator", settings, place, "*"))
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", operator.access_key_id)
        patch.setenv("AWS_SECRET_ACCESS_KEY", operator.secret_access_key)
        refused = theirs.json("destroy", "--yes", code=ExitCode.FAILED)["error"]
        assert theirs("table", "describe").code == ExitCode.DONE
    assert "has a migration" in refused["message"] and "ssm:GetParameter" in refused["message"]
    assert "Nothing was deleted." in refused["hint"]
    assert refused["argv"][-3:] == ["iam", "policies", "operator-migration"]
    assert theirs.json("migrate", "status")["phase"] == 1
    named = json.dumps(policy_of("operator-migration", settings, place, "*"))
    embedded_aws.client("iam").put_user_policy(
        UserName=operator.name, PolicyName="migration", PolicyDocument=named
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", operator.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", operator.secret_access_key)
    assert theirs("destroy", "--yes", "--delete-data").code == ExitCode.DONE


def test_state_before_any_change_is_phase_0(aws: Aws, cli: Cli) -> None:
    assert MigrationStore(aws, NAMES).read().state == MigrationState()
    assert "phase" in cli("migrate", "status").stdout.lower()
