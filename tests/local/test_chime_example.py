"""The example of docs/library.md on the embedded AWS, and the code of that page."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from tests.component.local.chime_in_process import ChimeInProcess
from tests.local.conftest import EmbeddedAws
from whatschat_ops.chime import ChimeService
from whatschat_ops.chime.fake import FakeChimeClient
from whatschat_ops.errors import Throttled

DOCS = Path(__file__).parents[2] / "docs"
Ask = Callable[..., tuple[int, Any]]


def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("chime_backend", DOCS / "chime_backend.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ask(embedded_aws: EmbeddedAws, meeting_ledger: str, monkeypatch: pytest.MonkeyPatch) -> Ask:
    for name, value in {**embedded_aws.aws_environment(), "CHIME_LEDGER_TABLE": meeting_ledger}.items():
        monkeypatch.setenv(name, value)
    application = validator(example().backend())

    def asked(method: str, path: str, user: str | None = None) -> tuple[int, Any]:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "SCRIPT_NAME": "",
            "QUERY_STRING": "",
        }
        if user:
            environ["REMOTE_USER"] = user
        setup_testing_defaults(environ)
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(), "0"
        statuses: list[str] = []

        def start_response(status: str, _headers: Any, _exc_info: Any = None) -> Any:
            statuses.append(status)
            return lambda _: None

        answer = application(environ, start_response)
        body = b"".join(answer)
        answer.close()  # type: ignore[attr-defined]
        return int(statuses[0].split()[0]), json.loads(body)

    return asked


@pytest.mark.local
def test_example_starts_joins_and_ends_a_call(embedded_aws: EmbeddedAws, ask: Ask) -> None:
    status, alice = ask("POST", "/calls", "alice")
    meeting_id = alice["Meeting"]["MeetingId"]
    assert (status, alice["Attendee"]["ExternalUserId"]) == (201, "alice")
    status, bob = ask("POST", f"/calls/{meeting_id}/join", "bob")
    assert (status, bob["Meeting"]) == (200, alice["Meeting"])
    client = embedded_aws.client("chime-sdk-meetings")
    listed = client.list_attendees(MeetingId=meeting_id)["Attendees"]
    assert {item["JoinToken"] for item in listed} == {
        alice["Attendee"]["JoinToken"], bob["Attendee"]["JoinToken"],
    }  # fmt: skip
    assert ask("DELETE", f"/calls/{meeting_id}", "bob")[0] == 403
    assert ask("DELETE", f"/calls/{meeting_id}", "alice") == (200, {"ended": meeting_id})
    assert ask("POST", f"/calls/{meeting_id}/join", "bob")[0] == 404


@pytest.mark.local
def test_example_refuses_what_it_must(ask: Ask) -> None:
    assert ask("POST", "/calls")[0] == 401
    assert ask("GET", "/nothing", "alice")[0] == 404
    assert ask("DELETE", f"/calls/{uuid.uuid4()}", "alice")[0] == 404
    status, answer = ask("POST", "/calls", "a*b")
    assert status == 400
    assert "does not allow the character '*'" in answer["error"]


def test_python_of_the_page_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import boto3

    chime, make = ChimeInProcess(tmp_path / "chime.sqlite3").client(), boto3.client

    def client(service: str, region_name: str) -> Any:
        return chime if service == "chime-sdk-meetings" else make(service, region_name=region_name)

    monkeypatch.setattr(boto3, "client", client)
    page = (DOCS / "library.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 4
    for block in blocks:
        exec(block, names)
        if "join_info" in block:
            assert set(names["join_info"]) == {"Meeting", "Attendee"}
    service = names["service"]
    assert isinstance(service, ChimeService)
    assert isinstance(names["fake"], FakeChimeClient)
    with pytest.raises(Throttled):
        service.create_attendee(names["meeting"].meeting_id, "alice")
    assert service.create_attendee(names["meeting"].meeting_id, "alice")
