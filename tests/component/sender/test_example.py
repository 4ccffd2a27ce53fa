"""The example in docs/sender.md works as it stands there, but for its URL."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.component.sender.sender_endpoint import endpoint

PAGE = Path(__file__).parents[3] / "docs" / "sender.md"
URL = "https://abcdefghij.execute-api.eu-west-1.amazonaws.com/production"


def test_example_sends_to_every_id_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "connection-ids.txt").write_text("one= two= three=\n")
    monkeypatch.chdir(tmp_path)
    [example] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert URL in example
    with endpoint() as server:
        exec(compile(example.replace(URL, server.url), str(PAGE), "exec"), {})
    assert set(server.attempts) == {"one=", "two=", "three="}
    assert "delivered=3" in capsys.readouterr().out
