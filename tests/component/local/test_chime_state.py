"""The state of the embedded Chime service on disk: after a kill, from an earlier version, damaged, and not writable."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.component.local.chime_in_process import ChimeInProcess, code, create
from whatschat_ops.errors import LocalError
from whatschat_ops.local.chime.meeting import Attendee, Meeting
from whatschat_ops.local.chime.state import MeetingStore
from whatschat_ops.quotas import CHIME_UNATTENDED_S

OLD_FILE = Path(__file__).parents[2] / "fixtures" / "embedded_aws" / "chime-90f8c14.json"
"""Written by the service of that commit: two primaries and a replica, three attendees, tags."""
OLD_MEETING = "29f3421a-42b1-4cad-8d15-bd999d3b6dda"
FEATURES = {
    "Video": {"MaxResolution": "HD"},
    "Content": {"MaxResolution": "FHD"},
    "Attendee": {"MaxCount": 250},
}


@pytest.fixture
def chime(tmp_path: Path) -> Iterator[ChimeInProcess]:
    found = ChimeInProcess(tmp_path / "state" / "chime.sqlite3")
    yield found
    found.service.close()


@pytest.fixture
def client(chime: ChimeInProcess) -> Any:
    return chime.client()


def meeting(number: int, attendees: int = 0) -> Meeting:
    made = Meeting(f"m{number}", "arn", "us-east-1", f"t{number}", 1.0, {"MeetingFeatures": FEATURES})
    for index in range(attendees):
        made.attendees[f"a{index}"] = Attendee(f"a{index}", f"user-{index}", "token", {"Audio": "Send"})
    return made


def test_meetings_survive_a_kill(chime: ChimeInProcess, client: Any) -> None:
    meeting = create(client, "token-1", Tags=[{"Key": "team", "Value": "a"}])
    attendee = client.create_attendee(MeetingId=meeting["MeetingId"], ExternalUserId="alice")["Attendee"]
    chime.restart()
    assert client.get_meeting(MeetingId=meeting["MeetingId"])["Meeting"] == meeting
    assert client.list_attendees(MeetingId=meeting["MeetingId"])["Attendees"] == [attendee]
    assert create(client, "token-1") == meeting
    tags = client.list_tags_for_resource(ResourceARN=meeting["MeetingArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "a"}]
    files = list(chime.path.parent.iterdir())
    assert chime.path in files
    for file in files:
        assert file.stat().st_mode & 0o077 == 0, "join tokens are for their owner only"


def test_every_kind_of_change_survives_a_kill(chime: ChimeInProcess, client: Any) -> None:
    made = create(client, "token-1", Tags=[{"Key": "team", "Value": "a"}, {"Key": "gone", "Value": "x"}])
    meeting_id, arn = made["MeetingId"], made["MeetingArn"]
    users = [{"ExternalUserId": name} for name in ("carol", "alice", "bob", "dave")]
    carol, alice, bob, dave = client.batch_create_attendee(MeetingId=meeting_id, Attendees=users)["Attendees"]
    silent = {"Audio": "Receive", "Video": "None", "Content": "None"}
    client.batch_update_attendee_capabilities_except(
        MeetingId=meeting_id,
        ExcludedAttendeeIds=[{"AttendeeId": alice["AttendeeId"]}],
        Capabilities=silent,
    )
    loud = {"Audio": "Send", "Video": "None", "Content": "None"}
    client.update_attendee_capabilities(
        MeetingId=meeting_id, AttendeeId=dave["AttendeeId"], Capabilities=loud
    )
    client.delete_attendee(MeetingId=meeting_id, AttendeeId=bob["AttendeeId"])
    client.tag_resource(ResourceARN=arn, Tags=[{"Key": "team", "Value": "b"}])
    client.untag_resource(ResourceARN=arn, TagKeys=["gone"])
    ended = create(client, "token-2")
    create(client, "token-3", PrimaryMeetingId=ended["MeetingId"])
    client.delete_meeting(MeetingId=ended["MeetingId"])

    chime.restart()

    assert client.list_attendees(MeetingId=meeting_id)["Attendees"] == [
        {**carol, "Capabilities": silent},
        alice,
        {**dave, "Capabilities": loud},
    ]
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "b"}]
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_meeting(MeetingId=ended["MeetingId"])
    assert rows(chime.path) == {"meetings": 1, "attendees": 3}


def rows(path: Path) -> dict[str, int]:
    with sqlite3.connect(path) as database:
        counted = {
            table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("meetings", "attendees")
        }
    database.close()
    return counted


def test_meetings_that_have_ended_leave_no_rows(chime: ChimeInProcess, client: Any) -> None:
    client.create_attendee(MeetingId=create(client)["MeetingId"], ExternalUserId="alice")
    chime.clock.advance(CHIME_UNATTENDED_S)
    create(client, "token-2")
    assert rows(chime.path) == {"meetings": 1, "attendees": 0}


def test_process_killed_between_changes_has_saved_every_finished_one(tmp_path: Path) -> None:
    code = f"""
    from pathlib import Path
    from tests.component.local.test_chime_state import meeting
    from whatschat_ops.local.chime.meeting import Attendee
    from whatschat_ops.local.chime.state import MeetingStore

    store = MeetingStore(Path({str(tmp_path / "chime.sqlite3")!r}))
    only = meeting(1)
    store.add(only)
    for number in range(100_000):
        store.put_attendee(only, Attendee(f"a{{number}}", f"user-{{number}}", "token", {{}}))
        store.save()
        print(number, flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    answered = [int(process.stdout.readline()) for _ in range(300)]
    process.kill()
    answered += [int(line) for line in process.stdout.read().split("\n")[:-1]]
    process.stdout.close()
    process.wait()

    [found] = MeetingStore(tmp_path / "chime.sqlite3").meetings.values()

    # The last one may have been saved and not printed.
    assert list(found.attendees)[: len(answered)] == [f"a{number}" for number in answered]
    assert len(found.attendees) <= len(answered) + 1


def test_cost_of_a_change_does_not_grow_with_the_number_of_meetings(tmp_path: Path) -> None:
    written = []
    for number, (meetings, attendees) in enumerate([(1, 1), (40, 50)]):
        path = tmp_path / f"{number}.sqlite3"
        store = MeetingStore(path)
        made = [meeting(index, attendees) for index in range(meetings)]
        for one in made:
            store.add(one)
            for attendee in list(one.attendees.values()):
                store.put_attendee(one, attendee)
        store.save()
        before = path.with_name(f"{path.name}-wal").stat().st_size
        store.put_attendee(made[0], Attendee("new", "new", "token", {}))
        store.save()
        written.append(path.with_name(f"{path.name}-wal").stat().st_size - before)
        store.close()
    small, large = written
    assert 0 < large <= small + 3 * 4096, "a page more for each level of the trees"


def test_file_of_an_earlier_version_is_migrated_once(chime: ChimeInProcess) -> None:
    old = chime.path.with_name("chime.json")
    old.parent.mkdir(parents=True)
    shutil.copyfile(OLD_FILE, old)
    chime.restart()
    client = chime.client()
    found = client.get_meeting(MeetingId=OLD_MEETING)["Meeting"]
    assert (found["ExternalMeetingId"], found["MeetingHostId"]) == ("call-alice-1", "alice")
    attendees = client.list_attendees(MeetingId=OLD_MEETING)["Attendees"]
    assert [attendee["ExternalUserId"] for attendee in attendees] == ["bob", "alice", "carol"]
    assert attendees[1]["Capabilities"] == {"Audio": "Send", "Video": "None", "Content": "None"}
    tags = client.list_tags_for_resource(ResourceARN=found["MeetingArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "a"}]
    assert create(client, "token-1")["MeetingId"] == OLD_MEETING
    assert create(client, "token-2")["PrimaryMeetingId"] == OLD_MEETING
    assert create(chime.client("eu-central-1"), "token-1")["ExternalMeetingId"] == "in-europe"
    assert not old.exists()
    client.delete_attendee(MeetingId=OLD_MEETING, AttendeeId=attendees[0]["AttendeeId"])
    chime.restart()
    assert client.list_attendees(MeetingId=OLD_MEETING)["Attendees"] == attendees[1:]


def test_migration_that_was_killed_is_repeated(chime: ChimeInProcess) -> None:
    old = chime.path.with_name("chime.json")
    old.parent.mkdir(parents=True)
    for _ in range(2):
        shutil.copyfile(OLD_FILE, old)
        chime.restart()
    assert rows(chime.path) == {"meetings": 3, "attendees": 3}


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"format": 9, "meetings": []}', '{"format":1,"meetings":[{}]}']
)
def test_damaged_file_of_an_earlier_version_is_named(chime: ChimeInProcess, content: str) -> None:
    old = chime.path.with_name("chime.json")
    old.parent.mkdir(parents=True)
    old.write_text(content, encoding="utf-8")
    with pytest.raises(LocalError) as error:
        chime.restart()
    assert str(old) in error.value.message
    assert str(error.value.hint) == "whatschat-ops local reset"


def overwrite(path: Path) -> None:
    path.write_text("not a database\n" * 100, encoding="utf-8")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def change_format(path: Path) -> None:
    statement(path, "PRAGMA user_version = 9")


def change_table(path: Path) -> None:
    statement(path, "UPDATE meetings SET request = '{'")


def statement(path: Path, text: str) -> None:
    with sqlite3.connect(path) as database:
        database.execute(text)
    database.close()


@pytest.mark.parametrize("damage", [overwrite, cut, change_format, change_table])
def test_damaged_database_is_named(chime: ChimeInProcess, client: Any, damage: Any) -> None:
    create(client)
    chime.service.close()
    damage(chime.path)
    with pytest.raises(LocalError) as error:
        chime.restart()
    assert str(chime.path) in error.value.message
    assert str(error.value.hint) == "whatschat-ops local reset"


def test_state_that_cannot_be_written_is_a_service_failure(chime: ChimeInProcess, client: Any) -> None:
    chime.path.mkdir(parents=True)  # a directory where the file should be
    with pytest.raises(client.exceptions.ServiceFailureException) as error:
        create(client, "token-1")
    assert code(error) == ("ServiceFailureException", 500)
    chime.path.rmdir()
    assert create(client, "token-1"), "the same token works afterwards"


def test_failed_write_is_repeated_with_the_next_change(chime: ChimeInProcess, client: Any) -> None:
    chime.path.mkdir(parents=True)
    with pytest.raises(client.exceptions.ServiceFailureException):
        create(client, "token-1")
    chime.path.rmdir()
    create(client, "token-2")
    assert rows(chime.path) == {"meetings": 2, "attendees": 0}
