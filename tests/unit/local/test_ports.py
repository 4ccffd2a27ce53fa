"""Which port is tried, which is rejected, and what is remembered."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.ports import free_port
from whatschat_ops.cli.config import SettingRow, _port_row
from whatschat_ops.errors import LocalError
from whatschat_ops.local import ports
from whatschat_ops.local.layout import Layout


@contextmanager
def listener(port: int) -> Iterator[None]:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        yield


def test_default_port_and_those_after_it_are_tried_when_nothing_is_remembered(tmp_path: Path) -> None:
    assert ports.candidates(Layout(tmp_path))[:3] == [4566, 4567, 4568]


def test_remembered_port_is_tried_first(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    ports.remember(layout, 4568)
    assert ports.candidates(layout)[:4] == [4568, 4566, 4567, 4569]


def test_default_port_is_not_written_down(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    ports.remember(layout, 4566)
    assert not layout.port_file.exists()


def test_default_port_replaces_a_remembered_one(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    ports.remember(layout, 4568)
    ports.remember(layout, 4566)
    assert ports.candidates(layout)[0] == 4566


@pytest.mark.parametrize("text", ["", "x", "0", "65536", "-1", "4567.5", "\u00e4"])
def test_damaged_port_file_means_nothing_is_remembered(tmp_path: Path, text: str) -> None:
    layout = Layout(tmp_path)
    layout.port_file.write_text(text, encoding="utf-8")
    assert ports.remembered_port(layout) is None
    assert ports.candidates(layout)[0] == 4566


def test_taken_port_is_refused_with_its_owner_and_the_next_command() -> None:
    port = free_port()
    with listener(port), pytest.raises(ports.PortTaken) as caught:
        ports.require_free(port)
    assert caught.value.message.startswith(f"Port {port} on 127.0.0.1 is taken by process {os.getpid()}")
    assert str(caught.value.hint) == (
        f"Set WHATSCHAT_LOCAL_PORT={port + 1}, or local.port in the configuration file, "
        f"or run: whatschat-ops local start --port {port + 1}"
    )


def test_port_that_is_free_in_a_moment_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    port, look = free_port(), ports._bind_error
    for limit in ("OWNED_S", "UNSEEN_S"):
        monkeypatch.setattr(ports, limit, 60.0)
    with ExitStack() as other:
        other.enter_context(listener(port))

        def look_and_release(port: int) -> OSError | None:
            found = look(port)
            other.close()
            return found

        monkeypatch.setattr(ports, "_bind_error", look_and_release)
        assert look(port) is not None
        ports.require_free(port)
        assert look(port) is None


def test_port_of_the_system_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_bind_error", lambda _port: PermissionError(13, "Permission denied"))
    with pytest.raises(LocalError, match="This user may not listen on port 80: Permission denied"):
        ports.require_free(80)


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("WHATSCHAT_OPS_STATE_DIR", str(tmp_path))
    return Layout.of_user()


def test_config_show_says_that_the_default_port_may_become_another(layout: Layout) -> None:
    assert _port_row() == SettingRow("local.port", 4566, "default, or the next free port")


def test_config_show_shows_the_remembered_port_and_its_file(layout: Layout) -> None:
    ports.remember(layout, 4567)
    assert _port_row() == SettingRow("local.port", 4567, str(layout.port_file))
