"""`chime attendee` on the embedded AWS, in this process; and the real amazon-chime-sdk-js with what `join-info` prints."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.in_process import Done, run
from tests.local.conftest import EmbeddedAws
from whatschat_ops.errors import ExitCode

pytestmark = pytest.mark.local

JOIN = """
const { MeetingSessionConfiguration } = require("amazon-chime-sdk-js");
const { Meeting, Attendee } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const made = new MeetingSessionConfiguration(Meeting, Attendee);
const { attendeeId, externalUserId, joinToken } = made.credentials;
console.log(JSON.stringify({
  meetingId: made.meetingId, externalMeetingId: made.externalMeetingId, attendeeId, externalUserId, joinToken,
  audioHost: made.urls.audioHostURL, signaling: made.urls.signalingURL, events: made.urls.eventIngestionURL,
  video: made.meetingFeatures.videoMaxResolution.videoHeight,
}));
process.exit(0);
"""

Cli = Callable[..., Done]


@pytest.fixture
def cli(ledger_config: Path) -> Cli:
    def attendee(*arguments: str, stdin: str = "") -> Done:
        return run("--config", str(ledger_config), "chime", *arguments, stdin=stdin.encode())

    return attendee


@pytest.fixture
def meeting(cli: Cli) -> Iterator[str]:
    external = f"standup-{uuid.uuid4().hex[:8]}"
    made = cli("meeting", "create", "--user", "alice", "--external-id", external, "--attendee", "alice")
    assert made.code == ExitCode.DONE, made.said
    yield external
    cli("meeting", "delete", external, "--yes")


def document(done: Done, code: int = ExitCode.DONE) -> Any:
    assert done.code == code, done.said
    return json.loads(done.stdout)


def capabilities(cli: Cli, meeting: str) -> dict[str, list[str]]:
    listed = document(cli("attendee", "list", meeting, "--json"))
    return {item["external_user_id"]: list(item["capabilities"].values()) for item in listed}


ALL = ["SendReceive"] * 3
WATCHING = ["SendReceive", "Receive", "None"]


def test_batch_creates_the_users_of_a_file_with_their_capabilities(
    cli: Cli, meeting: str, tmp_path: Path
) -> None:
    users = tmp_path / "users.csv"
    users.write_text("user,video,content\nbob,,\ncarol,Receive,None\n", encoding="utf-8")
    batch = document(cli("attendee", "batch", meeting, str(users), "--json"))
    assert [item["external_user_id"] for item in batch["attendees"]] == ["bob", "carol"]
    assert capabilities(cli, meeting) == {"alice": ALL, "bob": ALL, "carol": WATCHING}


def test_batch_of_lines_from_standard_input_gets_the_capabilities_of_the_option(
    cli: Cli, meeting: str
) -> None:
    option = ("--capabilities", "video=receive,content=none")
    done = cli("attendee", "batch", meeting, "-", *option, stdin="bob\ncarol # a guest\n")
    assert "SendReceive / Receive / None" in done.stdout
    assert capabilities(cli, meeting) == {"alice": ALL, "bob": WATCHING, "carol": WATCHING}


def test_batch_beyond_the_limit_is_partly_done_and_lists_who_failed(cli: Cli, meeting: str) -> None:
    users = "\n".join(f"user-{number}" for number in range(251))
    batch = document(cli("attendee", "batch", meeting, "-", "--json", stdin=users), ExitCode.PARTLY_DONE)
    assert len(batch["attendees"]) == 249
    assert [(item["external_user_id"], item["code"]) for item in batch["failed"]] == [
        ("user-249", "LimitExceeded"),
        ("user-250", "LimitExceeded"),
    ]
    nothing = cli("attendee", "create", meeting, "--user", "user-250")
    assert nothing.code == ExitCode.FAILED
    assert "No attendee was created" in nothing.stderr


def test_capabilities_change_for_one_attendee_and_for_all_except_one(cli: Cli, meeting: str) -> None:
    cli("attendee", "create", meeting, "--user", "bob", "--user", "carol")
    one = document(cli("attendee", "capabilities", meeting, "audio=None", "--attendee", "bob", "--json"))
    assert [item["capabilities"]["audio"] for item in one] == ["None"]
    assert capabilities(cli, meeting)["bob"] == ["None", "SendReceive", "SendReceive"]
    done = cli("attendee", "capabilities", meeting, "video=Receive,content=None", "--except", "alice")
    assert "have audio=SendReceive,video=Receive,content=None." in done.stdout
    assert capabilities(cli, meeting) == {"alice": ALL, "bob": WATCHING, "carol": WATCHING}


def test_attendee_is_shown_and_deleted_by_its_user(cli: Cli, meeting: str) -> None:
    shown = document(cli("attendee", "get", meeting, "alice", "--json"))
    assert shown["sdk"]["ExternalUserId"] == "alice"
    assert shown["join_token"] == shown["sdk"]["JoinToken"] == "********"
    deleted = cli("attendee", "delete", meeting, "alice", "--yes")
    assert f"Deleted attendee {shown['attendee_id']} (alice)." in deleted.stdout
    missing = cli("attendee", "get", meeting, "alice")
    assert missing.code == ExitCode.FAILED
    assert f"chime attendee create {shown_meeting(missing)} --user alice" in missing.stderr


def shown_meeting(done: Done) -> str:
    return done.stderr.partition("in the meeting ")[2].partition(".")[0]


@pytest.mark.parametrize(
    ("arguments", "rule", "example"),
    [
        (("capabilities", "audio=Loud", "--except", "alice"), "audio is one of", "audio=SendReceive"),
        (("capabilities", "content=Receive,video=None", "--except", "alice"), "needs video", "video=Receive"),
        (("capabilities", "audio=None"), "either --attendee or --except", "--attendee bob"),
        (("create", "--user", "b"), "2 to 64 characters", "id-b"),
        (("batch", "-"), "names no users", "such as bob"),
    ],
)
def test_bad_input_names_the_rule_and_an_example(
    cli: Cli, arguments: tuple[str, ...], rule: str, example: str
) -> None:
    command, *rest = arguments
    done = cli("attendee", command, "standup", *rest)
    assert (done.code, done.stdout) == (ExitCode.USAGE, "")
    assert rule in done.stderr
    assert example in done.stderr


def test_join_info_is_the_answer_of_aws_unchanged(embedded_aws: EmbeddedAws, cli: Cli, meeting: str) -> None:
    info = document(cli("attendee", "join-info", meeting, "--user", "alice", "--show-secrets"))
    client = embedded_aws.client("chime-sdk-meetings")
    ids = {"MeetingId": info["Meeting"]["MeetingId"]}
    assert info["Meeting"] == client.get_meeting(**ids)["Meeting"]
    answer = client.get_attendee(**ids, AttendeeId=info["Attendee"]["AttendeeId"])
    assert info["Attendee"] == answer["Attendee"]
    assert len(info["Attendee"]["JoinToken"]) > 40


def test_join_info_hides_the_token_and_nothing_else(cli: Cli, meeting: str) -> None:
    arguments = ("attendee", "join-info", meeting, "--user", "alice")
    shown = document(cli(*arguments, "--show-secrets"))
    hidden = document(cli(*arguments, "--json"))
    assert hidden["Attendee"]["JoinToken"] == "********"
    shown["Attendee"]["JoinToken"] = "********"
    assert hidden == shown == document(cli(*arguments))


def test_check_with_probe_makes_a_meeting_for_tests_and_deletes_it(cli: Cli) -> None:
    shown = document(cli("check", "--probe", "--json"))
    found = {item["name"]: item["status"] for item in shown["checks"]}
    assert found["chime.probe"] == found["chime.quota"] == found["chime.media-region"] == "ok"
    assert found["chime.checkNetworkUDPConnectivity"] == "skip", "the embedded AWS has no media servers"
    assert all(shown["probe"][name] > 0 for name in ("create_ms", "get_ms", "delete_ms"))
    listed = document(cli("meeting", "list", "--all", "--json"))
    [record] = [item for item in listed if item["created_by"] == "chime-check"]
    assert (record["status"], record["purpose"]) == ("deleted", "test")


def test_check_without_ledger_fails_with_exit_code_three(
    embedded_aws: EmbeddedAws, cli: Cli, tmp_path: Path
) -> None:
    config = tmp_path / "none.yaml"
    config.write_text("chime:\n  ledger_table_name: no-such-ledger\n", encoding="utf-8")
    shown = document(run("--config", str(config), "chime", "check", "--json"), ExitCode.CHANGES)
    [failed] = [item for item in shown["checks"] if item["status"] == "fail"]
    assert failed["name"] == "chime.meetings"
    assert "the table no-such-ledger does not exist" in failed["detail"]
    assert failed["fix"] == f"whatschat-ops --config {config} provision"


@pytest.fixture(scope="module")
def chime_js(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with amazon-chime-sdk-js from npm."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node.js or npm is not installed")
    folder = tmp_path_factory.mktemp("chime-js")
    command = [npm, "install", "--no-audit", "--no-fund", "--silent", "--ignore-scripts", "--prefer-offline"]
    installed = subprocess.run(
        [*command, "amazon-chime-sdk-js@3"],
        cwd=folder, capture_output=True, text=True, timeout=170, check=False,
    )  # fmt: skip
    if installed.returncode != 0:
        pytest.skip(f"npm cannot install amazon-chime-sdk-js: {installed.stderr.strip()[-200:]}")
    return folder


def test_amazon_chime_sdk_js_takes_join_info(cli: Cli, meeting: str, chime_js: Path) -> None:
    printed = cli("attendee", "join-info", meeting, "--user", "alice", "--show-secrets").stdout
    node = subprocess.run(
        ["node", "-e", JOIN],
        input=printed, cwd=chime_js, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert node.returncode == 0, node.stderr
    info, made = json.loads(printed), json.loads(node.stdout)
    placement = info["Meeting"]["MediaPlacement"]
    assert made == {
        "meetingId": info["Meeting"]["MeetingId"],
        "externalMeetingId": meeting,
        "attendeeId": info["Attendee"]["AttendeeId"],
        "externalUserId": "alice",
        "joinToken": info["Attendee"]["JoinToken"],
        "audioHost": placement["AudioHostUrl"],
        "signaling": placement["SignalingUrl"],
        "events": placement["EventIngestionUrl"],
        "video": 720,
    }
