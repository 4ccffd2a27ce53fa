"""What the control plane does with changes that threads report."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from whatschat_ops.errors import LocalError
from whatschat_ops.local.account_quotas import AccountQuotas
from whatschat_ops.local.clock import ServiceClock
from whatschat_ops.local.control.api_hosts import ApiHosts
from whatschat_ops.local.control.control_plane import Ministack


def test_file_of_the_hosts_is_written_on_the_event_loop_when_a_thread_reports_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    monkeypatch.setattr(ApiHosts, "write", lambda _self: threads.append(threading.current_thread()))

    async def scenario() -> None:
        control = Ministack(
            1, ServiceClock(), AccountQuotas(tmp_path / "q"), tmp_path / "hosts", lambda _: None
        )
        state = control._state
        monkeypatch.setattr(control._modules.persistence, "STATE_DIR", str(tmp_path / "state"))
        (tmp_path / "state").mkdir()
        (tmp_path / "state" / "sqs.json").write_text("damaged")
        with pytest.raises(LocalError):  # the loop is known, and nothing of ministack is replaced
            await control.start()
        (tmp_path / "state" / "sqs.json").unlink()
        (tmp_path / "state").rmdir()
        await asyncio.to_thread(state.write, "sqs", {})
        await asyncio.sleep(0)

    asyncio.run(scenario())
    assert threads == [threading.main_thread()]
