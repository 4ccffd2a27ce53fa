"""A lease that is held is not taken over: neither while it beats, nor because of a process on another machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config import Settings
from whatschat_ops.errors import Blocked
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.locking.lease import is_gone, this_process
from whatschat_ops.stack.locking.lock import StackLock
from whatschat_ops.stack.waiting import Waiting

NO_SUCH_PID = 2**22 + 1
"""Beyond Linux's largest (proc(5), pid_max)."""
linux = pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="needs Linux's /proc")


@pytest.fixture
def aws() -> Iterator[Aws]:
    with mock_aws():
        yield Aws(AwsTarget("us-east-1", access_key_id="AKIDEXAMPLE", secret_access_key=Secret("secret")))


def lock_of(aws: Aws) -> StackLock:
    return StackLock(
        Settings(), aws, "whatschat-ops provision", Waiting(sleep=lambda _: None), beat_s=3_600.0
    )


def test_lease_that_beats_after_it_was_looked_at_is_not_taken_over(aws: Aws) -> None:
    held, other = lock_of(aws), lock_of(aws)
    with held.hold(held.look()):
        seen = other.read()
        assert seen.held is not None
        held._renew(seen.held.lease_id, seen.held.beat + 1)
        with pytest.raises(Blocked, match="is being changed by"), other.hold(seen):
            raise AssertionError("two runs hold the lock")


def test_lock_is_read_consistently(aws: Aws) -> None:
    """An eventually consistent read may miss a lease of a moment ago (DynamoDB developer guide, "Read consistency")."""
    asked: list[dict[str, Any]] = []
    lock = lock_of(aws)
    with lock.hold(lock.look()):
        aws.client("dynamodb").meta.events.register(
            "provide-client-params.dynamodb.GetItem", lambda params, **_: asked.append(params)
        )
        lock.read()
    assert [params["ConsistentRead"] for params in asked] == [True]


@linux
def test_only_a_process_of_this_machine_can_be_seen_to_be_gone() -> None:
    own, place = this_process(), this_process().rpartition(":")[0]
    assert own == f"{place}:{os.getpid()}"
    assert not is_gone(own)
    assert is_gone(f"{place}:{NO_SUCH_PID}")
    boot, _, namespace = place.partition(":")
    for elsewhere in (f"another-boot:{namespace}", f"{boot}:pid:[1]", boot, ""):
        assert not is_gone(f"{elsewhere}:{NO_SUCH_PID}"), elsewhere
