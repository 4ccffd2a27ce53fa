"""The gate of `migrate advance` on the embedded AWS: its figures are what was done, and what it says is done. In this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.in_process import Cli
from tests.local.conftest import EmbeddedAws
from tests.local.program import eventually
from tests.minimality.removal import User
from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config import Names, Settings
from whatschat_ops.doctor import Status
from whatschat_ops.doctor.areas.chime import region
from whatschat_ops.errors import ExitCode
from whatschat_ops.migration import old_path
from whatschat_ops.migration.cohort import Service
from whatschat_ops.migration.gate import PathFigures, Verdict
from whatschat_ops.migration.gating import Gate, GateReport
from whatschat_ops.redaction import Secret
from whatschat_ops.sockets.tokens import mint
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.policies import policy_of

pytestmark = pytest.mark.local

PREFIX = "gated-"
PINGS = 6
TRAFFIC = 2 + 2 * PINGS + 1
"""Requests of `began`. A check needs all of them, so that it holds them whole, whatever minutes they lie in."""
LIMITS = {
    "interval_minutes": 1,
    "checks": 1,
    "settle_seconds": 0,
    "minimum_samples": TRAFFIC,
    "reconnect_rate": 1,
    "latency_ms": 60_000,
}
DOCUMENT = {"prefix": PREFIX, "migration": {"gate": LIMITS}}
SETTINGS = Settings.of(DOCUMENT)
NAMES = Names(SETTINGS)


@pytest.fixture(scope="module")
def cli(embedded_aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    config = tmp_path_factory.mktemp("gate") / "local.yaml"
    config.write_text(json.dumps(DOCUMENT), encoding="utf-8")
    made = Cli(config)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in embedded_aws.environment().items():
            patch.setenv(name, value)
        assert made("provision", "--yes").code == ExitCode.DONE
        yield made
        assert made("destroy", "--yes", "--delete-data").code == ExitCode.DONE


@pytest.fixture(autouse=True)
def in_environment(
    clean_environment: None, embedded_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in embedded_aws.environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def gate(cli: Cli, embedded_aws: EmbeddedAws) -> Gate:
    target = AwsTarget(
        "us-east-1",
        None,
        embedded_aws.endpoint_url,
        embedded_aws.access_key_id,
        embedded_aws.secret_access_key,
    )
    return Gate(Aws(target), SETTINGS, cli.json("ws", "endpoint")["api_id"])


@pytest.fixture(scope="module")
def began(cli: Cli, gate: Gate, embedded_aws: EmbeddedAws) -> datetime:
    """Alice connects twice, one socket after the other, pings, and writes to somebody whose socket is gone. When it began."""
    began = datetime.now(UTC)
    url = cli("ws", "endpoint").stdout.strip()
    stored = embedded_aws.client("ssm").get_parameter(Name=NAMES.jwt_secret_parameter, WithDecryption=True)
    secret = Secret(stored["Parameter"]["Value"])

    def opened() -> ClientConnection:
        token = mint("alice", secret, ttl=timedelta(hours=1), now=datetime.now(UTC), token_id="a").token
        headers = {"Authorization": f"Bearer {token.reveal()}"}
        return connect(url, additional_headers=headers, compression=None, proxy=None, open_timeout=60)

    row = {"connectionId": {"S": "Zm9vYmFyMTIzNDU="}, "userId": {"S": "ghost"}, "ttl": {"N": "4102444800"}}
    embedded_aws.client("dynamodb").put_item(TableName=NAMES.connections_table, Item=row)
    with opened():
        pass
    eventually(lambda: logged(embedded_aws, "disconnect", '{ $.event = "disconnect" }') == 1)
    with opened() as alice:
        for _ in range(PINGS):
            alice.send('{"type":"ping"}')
            alice.recv(timeout=60)
        alice.send(json.dumps({"type": "typing", "to": "ghost", "data": {"isTyping": True}}))
        eventually(lambda: logged(embedded_aws, "default", "{ $.deliveries.gone > 0 }") == 1)
    eventually(lambda: (newest(gate, began).samples or 0) >= TRAFFIC)
    return began


def logged(aws: EmbeddedAws, function: str, pattern: str) -> int:
    group = NAMES.function_log_group(function)
    return len(aws.client("logs").filter_log_events(logGroupName=group, filterPattern=pattern)["events"])


def asked(gate: Gate, began: datetime, service: Service = Service.WEBSOCKET) -> GateReport:
    """What the gate says as if the minute of now were over."""
    return gate.of_metrics(service, began - timedelta(minutes=1), datetime.now(UTC) + timedelta(minutes=1))


def newest(gate: Gate, began: datetime) -> PathFigures:
    checks = asked(gate, began).checks
    return checks[0].new if checks else PathFigures()


def test_figures_of_the_new_path_are_what_was_done(gate: Gate, began: datetime) -> None:
    found = newest(gate, began)
    assert found.samples is not None and found.samples >= 2 + 2 * PINGS + 1
    assert (found.errors, found.reconnects, found.gone_410) == (0, 1, 1)
    assert found.latency_p95_ms is not None and found.latency_p95_ms > 0


def test_published_old_path_is_compared_with(gate: Gate, began: datetime, embedded_aws: EmbeddedAws) -> None:
    unpublished = asked(gate, began)
    assert unpublished.reasons[-1] == "the old path publishes no figures: absolute limits were used"

    at = unpublished.checks[0].since  # the traffic may have begun in the minute before
    pairs = old_path.dimensions(NAMES.stack, Service.WEBSOCKET)
    dimensions = [{"Name": name, "Value": value} for name, value in pairs.items()]
    counts = {"Requests": 200, "Errors": 4, "Reconnects": 2, "Gone": 1}
    data: list[dict[str, Any]] = [
        {"MetricName": name, "Dimensions": dimensions, "Value": count, "Timestamp": at}
        for name, count in counts.items()
    ]
    latencies = {"MetricName": "Latency", "Dimensions": dimensions, "Values": [5.0, 7.0], "Timestamp": at}
    embedded_aws.client("cloudwatch").put_metric_data(
        Namespace=old_path.NAMESPACE, MetricData=[*data, latencies]
    )
    found = asked(gate, began)
    old = found.checks[0].old
    assert (old.samples, old.errors, old.reconnects, old.gone_410) == (200, 4, 2, 1)
    assert old.latency_p95_ms is not None and 5 <= old.latency_p95_ms <= 7
    assert "the old path's 2 %" in found.reasons[0] or "the old path's 2 %" in " ".join(found.reasons)


def test_two_gates_at_once_say_the_same(gate: Gate, began: datetime) -> None:
    now = datetime.now(UTC) + timedelta(minutes=1)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(
            lambda _: gate.of_metrics(Service.WEBSOCKET, began - timedelta(minutes=1), now), range(2)
        )
    assert first == second


def test_service_without_traffic_is_inconclusive(gate: Gate, began: datetime) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    found = gate.of_metrics(Service.WEBSOCKET, tomorrow - timedelta(minutes=9), tomorrow)
    assert (found.verdict, found.wait_seconds) == (Verdict.INCONCLUSIVE, None)


def test_doctor_adds_no_errors_to_the_calls_that_the_gate_judges(gate: Gate, began: datetime) -> None:
    # Chime SDK's calls are those of the whole account: what other tests did there may be judged in any way.
    since, until = began - timedelta(minutes=1), datetime.now(UTC) + timedelta(minutes=1)
    before = gate.of_metrics(Service.CHIME, since, until)
    for _ in range(3):
        assert region(SETTINGS, gate.aws).status is Status.OK
    found = gate.of_metrics(Service.CHIME, since, until)
    assert (found.checks, found.verdict) == (before.checks, before.verdict)


def test_replay_judges_each_interval_of_both_services(cli: Cli, began: datetime) -> None:
    websocket, chime = sorted(
        cli.json("migrate", "plan", "--replay", "30m"), key=lambda each: each["service"], reverse=True
    )
    assert (websocket["service"], chime["service"]) == ("websocket", "chime")
    assert len(websocket["judgements"]) in (30, 31)  # minutes begin on the minute
    shown = cli("migrate", "plan", "--replay", "30m").stdout
    assert "Gate of websocket since" in shown and "inconclusive" in shown
    assert cli("migrate", "plan", "--replay", "15d").code == ExitCode.USAGE


def test_stack_without_an_api_has_a_gate_for_its_calls(cli: Cli, tmp_path: Path) -> None:
    config = tmp_path / "none.yaml"
    config.write_text("prefix: nogate-\n", encoding="utf-8")
    chime, websocket = Cli(config).json("migrate", "plan", "--replay", "30m")
    assert (chime["service"], chime["notes"]) == (
        "chime", ["calls of Chime SDK are those of the whole account in the Region"]
    )  # fmt: skip
    assert websocket["notes"][0] == "there is no API of this stack in the account: it has no metrics here"
    assert {each["judgement"]["verdict"] for each in websocket["judgements"]} == {"inconclusive"}


# --- what the verdict does ----------------------------------------------------------------------------------------


def comparison(cli: Cli, file: Path, lost: int, started_at: datetime) -> str:
    """A report of `ws compare --json` of this stack."""

    def path(mode: str, url: str) -> dict[str, Any]:
        return {"mode": mode, "url": url, "cut": {}, "errors": {}, "not_sent": 0}

    def side(lost: int) -> dict[str, Any]:
        return {"sent": 100, "lost": lost, "latency": {"count": 100 - lost, "p95_ms": 9.0}}

    report = {
        "started_at": started_at.isoformat(),
        "interrupted": False,
        "duration_s": 10.0,
        "a": path("socketio", "ws://localhost:3001"),
        "b": path("apigateway", cli("ws", "endpoint").stdout.strip()),
        "kinds": [{"kind": "call:offer", "a": side(0), "b": side(lost), "why": ""}],
    }
    file.write_text(json.dumps(report), encoding="utf-8")
    return str(file)


def changed_at(cli: Cli) -> datetime:
    return datetime.fromisoformat(cli.json("migrate", "status")["changed_at"])


def test_verdict_is_obeyed_recorded_and_lifted(cli: Cli, tmp_path: Path) -> None:
    cli.json("migrate", "start", "--service", "websocket", "--share", "10", "--yes")

    waiting = cli.json("migrate", "advance", "--yes", code=ExitCode.CHANGES)
    assert (waiting["gate"]["verdict"], waiting["changed"]) == ("inconclusive", False)
    assert cli.json("migrate", "status")["held"] is None

    bad = comparison(cli, tmp_path / "bad.json", 50, changed_at(cli))
    failed = cli.json("migrate", "advance", "--comparison", bad, "--yes", code=ExitCode.CHANGES)
    assert failed["gate"]["verdict"] == "fail"
    assert failed["gate"]["reasons"][0] == "error rate 50 % > 1 % (the old path's 0 %)"
    held = cli.json("migrate", "status")
    assert (held["held_by_gate"], held["shares"]["3"]) == (True, 10)
    earlier = comparison(cli, tmp_path / "earlier.json", 0, changed_at(cli) - timedelta(seconds=1))
    said = cli("migrate", "advance", "--comparison", earlier, "--yes")
    assert said.code == ExitCode.USAGE and "before the last step" in said.stderr

    forced = cli.json("migrate", "advance", "--share", "20", "--force", "--yes", "--reason", "we know why")
    assert (forced["forced"], forced["gate"]["verdict"], forced["held"]) == (True, "inconclusive", None)
    newest_change = cli.json("migrate", "history")[0]
    assert (newest_change["forced"], newest_change["reason"]) == (True, "we know why")

    good = comparison(cli, tmp_path / "good.json", 0, changed_at(cli))
    passed = cli.json("migrate", "advance", "--share", "50", "--comparison", good, "--yes")
    assert (passed["gate"]["verdict"], passed["gate"]["source"]) == ("pass", "ws compare")
    assert passed["after"] == "phase 3: 50 %"
    assert cli.json("migrate", "plan", "--gate")["gate"]["verdict"] == "inconclusive"
    assert cli.json("migrate", "rollback", "--yes")["after"] == "phase 3: 20 %"


def test_gate_reads_with_the_policies_of_metrics_and_logs_and_says_what_it_may_not(
    gate: Gate, began: datetime, embedded_aws: EmbeddedAws
) -> None:
    operator, place = User(embedded_aws.client, "gated-operator"), Place("us-east-1", "000000000000")
    target = AwsTarget(
        "us-east-1",
        None,
        embedded_aws.endpoint_url,
        operator.access_key_id,
        Secret(operator.secret_access_key),
    )
    theirs = Gate(Aws(target), SETTINGS, gate.api_id)
    needed = [policy_of(f"operator-{each}", SETTINGS, place, "*") for each in ("metrics", "logs")]
    operator.may({**needed[0], "Statement": [row for policy in needed for row in policy["Statement"]]})
    now = datetime.now(UTC) + timedelta(minutes=1)
    assert theirs.of_metrics(Service.WEBSOCKET, began - timedelta(minutes=1), now) == gate.of_metrics(
        Service.WEBSOCKET, began - timedelta(minutes=1), now
    )

    operator.may(policy_of("operator-migration", SETTINGS, place, "*"))
    refused = theirs.of_metrics(Service.WEBSOCKET, began - timedelta(minutes=1), now)
    assert refused.verdict is Verdict.INCONCLUSIVE
    assert [note.partition(":")[0] for note in refused.notes] == ["the old path", "the new path"]
    assert all("cloudwatch:GetMetricData" in note for note in refused.notes)
