"""The stack's lock on moto: one holder, told apart, taken over when dead, never by a clock alone."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from moto import mock_aws
from moto.dynamodb.responses import DynamoHandler

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config import Settings
from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import OpsError, Unavailable
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.locking import lock as lock_module
from whatschat_ops.stack.locking.lease import LockState, this_process
from whatschat_ops.stack.locking.lock import StackLock
from whatschat_ops.stack.waiting import Waiting

TABLE = "whatschat-local-ops-lock"


@dataclass
class Clock:
    """Time that passes when a thread sleeps; `meanwhile` happens in the first sleep."""

    seconds: float = 1_000_000.0
    said: list[str] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """DynamoDB checks a condition and writes in one step. moto does not: here it takes one request at a time."""
    one_at_a_time, call_action = threading.Lock(), DynamoHandler.call_action

    def call_alone(self: DynamoHandler) -> Any:
        with one_at_a_time:
            return call_action(self)

    monkeypatch.setattr(DynamoHandler, "call_action", call_alone)
    with mock_aws():
        yield Aws(AwsTarget("us-east-1", access_key_id="AKIDEXAMPLE", secret_access_key=Secret("secret")))


def operator(aws: Aws, command: str = "provision", clock: Clock | None = None) -> StackLock:
    clock = clock or Clock()
    waiting = Waiting(sleep=clock.sleep, clock=clock.now, say=clock.said.append)
    return StackLock(Settings(), aws, command, waiting=waiting, now=clock.now)


def ended_process() -> int:
    """A process id that does not exist on this machine any more."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def from_elsewhere(monkeypatch: pytest.MonkeyPatch, lock: StackLock, seen: LockState) -> None:
    """Take the lock as a process of another machine that then vanishes: nothing is released."""
    with monkeypatch.context() as patch:
        # a process that runs there; here it has ended, so that its number alone would say that it is dead
        patch.setattr(lock_module, "this_process", lambda: f"another-boot:pid:{ended_process()}")
        lock._acquire(seen)


def test_second_operator_is_told_who_holds_the_lock_since_when_and_why(aws: Aws) -> None:
    first, second = operator(aws, "provision"), operator(aws, "destroy")
    seen = first.look()
    with first.hold(seen):
        with pytest.raises(OpsError) as caught:
            second.look()
        for part in ("arn:aws:", "@", "provision", "since 1970-01-12 13:46:40 UTC"):
            assert part in caught.value.message
        assert "in 20 s" in str(caught.value.hint) and "unlock" in str(caught.value.hint)
        with pytest.raises(OpsError, match="is being changed by"), second.hold(seen):
            raise AssertionError("two at once")
    assert second.look().held is None


def test_lock_is_released_when_the_run_fails(aws: Aws) -> None:
    lock = operator(aws)
    with pytest.raises(ZeroDivisionError), lock.hold(lock.look()):
        raise ZeroDivisionError
    assert lock.read() == LockState(serial=1)


def test_plan_made_before_somebody_elses_run_is_refused(aws: Aws) -> None:
    slow, quick = operator(aws), operator(aws)
    seen = slow.look()
    with quick.hold(quick.look()):
        pass
    with pytest.raises(OpsError, match="changed by another run after this plan"), slow.hold(seen):
        raise AssertionError("a stale plan is applied")
    with slow.hold(slow.look()):
        assert slow.read().serial == 2


def test_expired_lease_of_a_dead_holder_is_taken_over(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    dead, clock = operator(aws), Clock()
    from_elsewhere(monkeypatch, dead, LockState())
    second = operator(aws, clock=clock)
    with pytest.raises(OpsError, match="is being changed by"):
        second.look()
    clock.seconds += 21
    with second.hold(second.look()):
        assert (held := second.read().held) is not None and held.process == this_process()
    assert any("expired" in text for text in clock.said)


def test_live_holder_keeps_the_lock_though_the_clocks_disagree(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = operator(aws)
    from_elsewhere(monkeypatch, holder, LockState())
    held = holder.read().held
    assert held is not None
    ahead = Clock(seconds=held.expires_at + 3600, meanwhile=lambda: holder._renew(held.lease_id, 1))
    with pytest.raises(OpsError, match="is being changed by"):
        operator(aws, clock=ahead).look()


@pytest.mark.skipif(not this_process(), reason="needs Linux's /proc")
def test_process_that_died_on_this_machine_frees_the_lock_at_once(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    died, clock = operator(aws), Clock()
    place, process = this_process().rpartition(":")[0], ended_process()
    with monkeypatch.context() as patch:
        patch.setattr(lock_module, "this_process", lambda: f"{place}:{process}")
        died._acquire(LockState())
    second = operator(aws, clock=clock)
    with second.hold(second.look()):
        pass
    assert clock.seconds == 1_000_000.0 and "was killed" in clock.said[0]


def test_of_many_operators_at_once_one_gets_the_lock(aws: Aws) -> None:
    seen, gate = operator(aws).look(), threading.Barrier(6)
    holding: list[int] = []
    refused: list[int] = []

    def run(n: int) -> None:
        lock = operator(aws, f"run {n}")
        gate.wait()
        try:
            with lock.hold(seen):
                holding.append(n)
                done.wait(60)
        except OpsError:
            refused.append(n)

    done = threading.Event()
    threads = [threading.Thread(target=run, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    while len(refused) < 5 and any(thread.is_alive() for thread in threads):
        threading.Event().wait(0.02)
    done.set()
    for thread in threads:
        thread.join()
    assert len(holding) == 1 and len(refused) == 5


def test_holder_learns_that_its_lock_was_taken_away(aws: Aws) -> None:
    lock, lost = operator(aws, "provision"), threading.Event()
    lock.beat_s = 0.02
    with lock.hold(lock.look(), on_lost=lambda why: lost.set()):
        taken = operator(aws).unlock()
        assert taken is not None and taken.command == "provision"
        assert lost.wait(60)
    assert operator(aws).unlock() is None


def test_beats_renew_the_lease(aws: Aws) -> None:
    lock = operator(aws)
    lock.beat_s = 0.02
    with lock.hold(lock.look()):
        for _ in range(3000):
            if (held := lock.read().held) is not None and held.beat > 2:
                break
            threading.Event().wait(0.02)
        else:
            raise AssertionError("no beat")


def test_lost_answer_of_the_own_write_is_recognised(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = operator(aws)
    with lock.hold(lock.look()):
        pass
    sent: list[str] = []

    def twice(params: object, model: object, **_: object) -> None:
        if not sent:  # the first attempt takes effect, its answer is lost, botocore sends it again
            sent.append("once")
            aws.client("dynamodb").put_item(**original)

    original: dict[str, object] = {}

    def keep(params: dict[str, object], **_: object) -> None:
        original.update(params)

    events = aws.client("dynamodb").meta.events
    events.register("provide-client-params.dynamodb.PutItem", keep)
    events.register("before-call.dynamodb.PutItem", twice)
    with lock.hold(lock.look()):
        assert sent == ["once"]


def test_table_is_tagged_as_ours_and_goes_with_the_stack(aws: Aws) -> None:
    lock, dynamodb = operator(aws), aws.client("dynamodb")
    assert dynamodb.list_tables()["TableNames"] == []
    lock.look()
    assert dynamodb.list_tables()["TableNames"] == []  # looking writes nothing
    with lock.hold(lock.look()):
        arn = dynamodb.describe_table(TableName=TABLE)["Table"]["TableArn"]
        tags = dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"]
        assert tags == [{"Key": STACK_TAG, "Value": "whatschat-local"}]
    with lock.hold(lock.look(), remove=True):
        pass
    assert dynamodb.list_tables()["TableNames"] == []
    lock.remove()


def test_lock_that_cannot_be_released_does_not_hide_what_the_run_did(aws: Aws) -> None:
    clock = Clock()
    lock = operator(aws, clock=clock)

    def refuse(**_: object) -> None:
        raise Unavailable("no network")

    with pytest.raises(ZeroDivisionError), lock.hold(lock.look()):
        aws.client("dynamodb").meta.events.register("before-call.dynamodb.UpdateItem", refuse)
        raise ZeroDivisionError
    assert clock.said == ["The lock was not released, it expires in 20 s: no network"]


def test_holder_that_cannot_renew_stops_before_its_lease_ends(aws: Aws) -> None:
    lock, lost = operator(aws), threading.Event()
    lock.beat_s, lock.lease_s = 0.02, 0.2

    def refuse(**_: object) -> None:
        raise Unavailable("no network")

    with lock.hold(lock.look(), on_lost=lambda why: lost.set()):
        aws.client("dynamodb").meta.events.register("before-call.dynamodb.UpdateItem", refuse)
        assert lost.wait(60)


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_user_whose_number_has_no_name_can_hold_the_lock(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def nameless() -> str:
        raise error("uid not found: 1234")

    monkeypatch.setattr("getpass.getuser", nameless)
    lock = operator(aws)
    with lock.hold(lock.look()):
        held = lock.read().held
    assert held is not None
    assert held.host.startswith("unknown@")
