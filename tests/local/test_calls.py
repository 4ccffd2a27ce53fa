"""`call test` against the embedded AWS: a call with real media, and the ways to break one, each named at its stage.

A stage that can never be reached gets a short limit, the others long ones: no outcome depends on who is faster.
"""

from __future__ import annotations

import importlib.util
import io
import json
import signal
import socket
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.in_process import Done, run
from tests.local.conftest import EmbeddedAws
from tests.local.program import PrefixedStack, eventually
from whatschat_ops.calls.peer import Peer
from whatschat_ops.calls.report import AudioSeen
from whatschat_ops.calls.stages import STAGES, Limits, Stage
from whatschat_ops.config import Names, Settings
from whatschat_ops.installation import extra_command
from whatschat_ops.packaging.builtin import build_function_zip
from whatschat_ops.redaction import Secret
from whatschat_ops.sockets.tokens import mint

pytestmark = pytest.mark.local

PREFIX = "calls-"
FIXTURE = Path(__file__).parents[1] / "fixtures" / "broken_call" / "broken.py"
SHORT = ("--duration", "0.5")


@dataclass(frozen=True)
class Stack:
    """A provisioned stack, whose functions and role can be broken."""

    aws: EmbeddedAws
    program: PrefixedStack
    names: Names

    def replace(self, short: str) -> None:
        """Deploy the function of the fixture beside the built-in handler, behind the same alias."""
        data = io.BytesIO(build_function_zip(short, "x86_64", "python3.13").zip_bytes)
        with zipfile.ZipFile(data, "a") as package:
            package.writestr("broken.py", FIXTURE.read_text())
        client, name = self.aws.client("lambda"), self.names.function(short)
        client.update_function_configuration(FunctionName=name, Handler=f"broken.{short}")
        self._wait_for_update(name)
        client.update_function_code(FunctionName=name, ZipFile=data.getvalue())
        self._wait_for_update(name)
        version = client.publish_version(FunctionName=name)["Version"]
        client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)

    def _wait_for_update(self, name: str) -> None:
        configuration = self.aws.client("lambda").get_function_configuration
        eventually(lambda: configuration(FunctionName=name)["LastUpdateStatus"] == "Successful")

    def rows(self) -> list[Any]:
        found: list[Any] = self.aws.client("dynamodb").scan(TableName=self.names.connections_table)["Items"]
        return found


@pytest.fixture(scope="module")
def stack(embedded_aws: EmbeddedAws) -> Iterator[Stack]:
    program = PrefixedStack(embedded_aws, PREFIX)
    program.run("provision", "--yes")
    yield Stack(embedded_aws, program, Names(Settings(prefix=PREFIX)))
    program.run("destroy", "--yes")


@pytest.fixture(scope="module")
def breakable(stack: Stack) -> Stack:
    stack.replace("default")
    stack.replace("connect")
    return stack


@pytest.fixture(autouse=True)
def same_environment(clean_environment: None, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in stack.program.environment.items():
        monkeypatch.setenv(name, value)
    limit(monkeypatch)


def limit(monkeypatch: pytest.MonkeyPatch, unreachable: Stage | None = None) -> None:
    """A minute for every stage but the one that can never be reached."""
    monkeypatch.setattr(
        Limits,
        "of",
        lambda limits, stage: 1.0 if stage is unreachable else 60.0 + limits.media_s,
    )


def call(*options: str, fault: str = "") -> Done:
    """A test call whose users' names ask for the fault."""
    users = ("--caller", f"x-{fault}-caller", "--callee", f"x-{fault}-callee") if fault else ()
    return run("call", "test", *SHORT, *users, *options)


def failure(done: Done) -> tuple[str, str, str]:
    """The stage, the cause and the hint of a call that failed with exit code 1."""
    assert done.code == 1, done.said
    report = json.loads(done.stdout)
    found = report["failure"]
    assert not report["ok"]
    assert f"failed at stage '{found['stage']}': {found['cause']}" in done.stderr
    assert "Try: " in done.stderr
    assert [each["stage"] for each in report["stages"]] == [
        stage.value for stage in STAGES[: STAGES.index(Stage(found["stage"]))]
    ]
    return found["stage"], found["cause"], found["hint"]


@pytest.mark.parametrize("vocabulary", ["web", "server"])
def test_call_passes_audio_and_data_in_both_directions(stack: Stack, vocabulary: str) -> None:
    done = call("--vocabulary", vocabulary, "--json", "--offer-size", "40000")

    assert done.code == 0, done.said
    report = json.loads(done.stdout)
    assert report["ok"] and report["failure"] is None
    assert [stage["stage"] for stage in report["stages"]] == [stage.value for stage in STAGES]
    assert report["endpoint"].startswith("ws://127.0.0.1")
    assert 0 < report["setup_ms"] <= report["stages"][-1]["at_ms"]
    flows = {flow["direction"]: flow for flow in report["audio"]}
    assert flows.keys() == {"caller to callee", "callee to caller"}
    for flow in flows.values():
        assert flow["packets"] > 0 and flow["sent"] > 0
        assert -20 < flow["level_dbfs"] < -6
        assert flow["jitter_ms"] >= 0 and flow["loss_percent"] >= 0
    assert report["data"]["returned"] >= 1
    assert report["data"]["round_trip"]["p50_ms"] > 0
    arrived = {signal["kind"]: signal["arrived"] for signal in report["signals"]}
    assert arrived["offer"] == arrived["answer"] == arrived["end"] == 1
    eventually(lambda: stack.rows() == [])  # both sockets are closed


def test_call_is_shown_as_a_table(stack: Stack) -> None:
    done = call()

    assert done.code == 0, done.said
    assert done.stderr == ""
    for words in ("connect callee", "dtls", "Pkt. Loss", "caller to callee", "came back", "Set-up: "):
        assert words in done.stdout


def test_offer_larger_than_a_message_may_be_is_named(stack: Stack) -> None:
    stage, cause, hint = failure(call("--json", "--offer-size", "140000"))

    assert stage == "offer"
    assert "140,000 bytes" in cause and "131,072" in cause
    assert "S3" in hint


def test_offer_that_is_too_large_with_the_functions_fields_is_named(stack: Stack) -> None:
    stage, cause, hint = failure(call("--json", "--offer-size", str(128 * 1024)))

    assert stage == "offer"
    assert "message_too_large" in cause
    assert "callerAvatar" in hint


def test_token_of_another_secret_is_named_at_the_callers_handshake(stack: Stack) -> None:
    other = mint(
        "mallory",
        Secret("another-secret-of-at-least-32-characters"),
        ttl=timedelta(minutes=5),
        now=datetime.now(UTC),
        token_id="t",
    )

    stage, cause, hint = failure(call("--json", "--caller-token", other.token.reveal()))

    assert stage == "connect caller"
    assert "signed with another secret" in cause
    assert "token mint" in hint


def test_endpoint_where_nothing_listens_is_named_at_the_callers_handshake(stack: Stack) -> None:
    stage, cause, hint = failure(call("--json", "--endpoint", "ws://127.0.0.1:9/production"))

    assert stage == "connect caller"
    assert "nothing listens there" in cause
    assert "status" in hint


def test_blocked_udp_is_named_at_ice(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both peers offer an address behind which everything is dropped, as behind a firewall."""
    limit(monkeypatch, Stage.ICE)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        line = f"candidate:1 1 udp 2130706431 127.0.0.1 {silent.getsockname()[1]} typ host"
        dropped = [{"candidate": line, "sdpMid": "0", "sdpMLineIndex": 0}]
        monkeypatch.setattr(Peer, "candidates", lambda _peer: dropped)

        stage, cause, hint = failure(call("--json"))

    assert stage == "ice"
    assert "UDP is blocked" in cause
    assert "--ice-server" in hint


@pytest.mark.parametrize(
    ("fault", "stage", "cause", "hint"),
    [
        ("fails", Stage.OFFER, "Internal server error", "lambda invoke default --tail"),
        ("drops-offer", Stage.OFFER, "neither it nor an error arrived", "iam policies lambda"),
        ("alters-offer", Stage.OFFER, "The offer was changed on its way: sdp had", "lambda deploy default"),
        ("drops-answer", Stage.ANSWER, "the far side did not answer", "lambda invoke default --tail"),
        ("alters-answer", Stage.ANSWER, "The answer was changed on its way", "lambda deploy default"),
        (
            "drops-ice_candidate",
            Stage.CANDIDATES,
            "Of 1 ICE candidates of the caller, 0",
            "lambda deploy default",
        ),
        ("alters-ice_candidate", Stage.CANDIDATES, "were changed on their way", "lambda deploy default"),
        ("drops-end", Stage.END, "neither it nor an error arrived", "iam policies lambda"),
    ],
)
def test_function_that_breaks_a_call_is_named_at_the_stage_that_it_breaks(
    breakable: Stack, fault: str, stage: Stage, cause: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, stage if fault.startswith("drops") else None)

    found = failure(call("--json", fault=fault))

    assert found[0] == stage.value
    assert cause in found[1]
    assert hint in found[2]


def test_callee_without_a_row_in_the_table_is_named_at_the_offer(breakable: Stack) -> None:
    stage, cause, hint = failure(call("--json", "--callee", "unstored"))

    assert stage == "offer"
    assert "target_offline" in cause
    assert "ws connections list" in hint


def test_functions_that_may_not_post_are_named_at_the_offer(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, Stage.OFFER)
    iam = stack.aws.client("iam")
    place = {"RoleName": stack.names.lambda_role, "PolicyName": "whatschat-ops-lambda"}
    policy = iam.get_role_policy(**place)["PolicyDocument"]
    rest = [each for each in policy["Statement"] if "execute-api:ManageConnections" not in each["Action"]]
    assert len(rest) == len(policy["Statement"]) - 1
    iam.put_role_policy(**place, PolicyDocument=json.dumps({**policy, "Statement": rest}))
    try:
        stage, cause, hint = failure(call("--json"))
    finally:
        iam.put_role_policy(**place, PolicyDocument=json.dumps(policy))

    assert stage == "offer"
    assert "execute-api:ManageConnections" in cause
    assert "iam policies lambda" in hint and "doctor websocket" in hint


def test_function_that_api_gateway_may_not_invoke_is_named_at_the_offer(stack: Stack) -> None:
    client = stack.aws.client("lambda")
    place = {"FunctionName": stack.names.function("default"), "Qualifier": "live"}
    statements = json.loads(client.get_policy(**place)["Policy"])["Statement"]
    for statement in statements:
        client.remove_permission(**place, StatementId=statement["Sid"])
    try:
        stage, cause, hint = failure(call("--json"))
    finally:
        stack.program.run("provision", "--yes")

    assert stage == "offer"
    assert "may not invoke it" in cause
    assert "doctor websocket" in hint


def test_audio_that_is_lost_beyond_the_limit_exits_with_3(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lossy(_peer: Peer) -> AudioSeen:
        return AudioSeen(packets=90, lost=10, jitter_ms=1.0, level_dbfs=-12.0)

    monkeypatch.setattr(Peer, "audio", lossy)

    done = call("--max-loss", "5")

    assert done.code == 3, done.said
    assert "10 % from caller to callee" in done.stderr


def test_interrupted_call_ends_with_130_and_leaves_no_connection(stack: Stack) -> None:
    with stack.program.start(
        "call", "test", "--duration", "300", "--stage-timeout", "60", "-v", stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if line.strip() == "Stage: media":
                    process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        finally:
            process.kill()

    eventually(lambda: stack.rows() == [])


def test_call_without_the_extra_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "aiortc" else find_spec(name)
    )

    done = call()

    assert done.code == 1
    assert extra_command("calls") in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--ice-server", "turn:example.com"), "is not a STUN server"),
        (("--caller", "bob", "--callee", "bob"), "are the same user: bob"),
        (("--caller-token", "nonsense"), "not a JWT"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: tuple[str, ...], said: str) -> None:
    done = run("call", "test", *options)

    assert done.code == 2
    assert said in done.stderr


def test_chime_call_makes_checks_and_deletes_a_meeting(stack: Stack) -> None:
    done = run("call", "test", "--mode", "chime", "--caller", "alice", "--callee", "bob", "--json")

    assert done.code == 0, done.said
    report = json.loads(done.stdout)
    assert report["ok"] and report["deleted"]
    assert [stage["stage"] for stage in report["stages"]] == [
        "create meeting",
        "create attendees",
        "join information",
        "delete",
    ]
    assert any("Media" in each for each in report["not_tested"])
    (row,) = json.loads(run("chime", "meeting", "list", "--all", "--json").stdout)
    assert (row["meeting_id"], row["status"], row["purpose"]) == (report["meeting_id"], "deleted", "test")


def test_simulated_call_needs_no_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHATSCHAT_PREFIX", "calls-not-provisioned-")

    done = run("call", "test", "--mode", "simulated", "--vocabulary", "server")

    assert done.code == 0, done.said
    assert "nothing left this process" in done.stdout
    assert "call:webrtc-answer" in done.stdout
