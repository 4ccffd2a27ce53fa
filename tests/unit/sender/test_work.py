"""What is pulled when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.sender.model import Target
from whatschat_ops.sender.work import ASK_AGAIN_S, LARGEST_BATCH, MOST_WAITING, SMALLEST_BATCH, Job, Work


class Endless:
    """Has always more; remembers how many were asked for."""

    def __init__(self) -> None:
        self.limits: list[int] = []
        self.given = 0

    def __call__(self, limit: int) -> list[Target]:
        self.limits.append(limit)
        self.given += limit
        return [Target(number, f"c{number}") for number in range(self.given - limit, self.given)]


@pytest.mark.parametrize(
    ("rate_per_s", "batch"), [(1, SMALLEST_BATCH), (1_000, 100), (10_000, LARGEST_BATCH)]
)
def test_batch_is_what_is_sent_in_a_tenth_of_a_second(rate_per_s: float, batch: int) -> None:
    source = Endless()
    work = Work(source)
    work.replenish(0.0, rate_per_s)
    work.replenish(0.0, rate_per_s)
    assert source.limits == [batch]


@given(st.lists(st.floats(0, 100), min_size=1))
def test_those_that_are_due_become_ready_and_no_others(due_s: list[float]) -> None:
    work = Work(lambda _: None)
    for number, when in enumerate(due_s):
        work.retry(Job(Target(number, "c")), when)
    middle = sorted(due_s)[len(due_s) // 2]
    assert work.next_due_s == min(due_s)
    work.replenish(middle, 1.0)
    assert {job.number for job in work.ready} == {n for n, when in enumerate(due_s) if when <= middle}
    assert work.waiting == len(due_s) - len(work.ready)


def test_nothing_is_pulled_while_too_many_wait() -> None:
    source = Endless()
    work = Work(source)
    for number in range(MOST_WAITING):
        work.retry(Job(Target(number, "c")), 100.0)
    work.replenish(0.0, 10_000)
    assert (source.given, work.ask_at_s) == (0, ASK_AGAIN_S)
    work.replenish(100.0, 10_000)
    assert len(work.ready) == MOST_WAITING


def test_empty_source_is_asked_again_later_and_an_ended_one_never() -> None:
    answers: list[list[Target] | None] = [[], None]
    work = Work(lambda _: answers.pop(0))
    work.replenish(0.0, 1.0)
    work.replenish(ASK_AGAIN_S / 2, 1.0)
    assert len(answers) == 1
    work.replenish(ASK_AGAIN_S, 1.0)
    work.replenish(10.0, 1.0)
    assert work.no_more
    assert work.ask_at_s is None


def test_after_a_full_batch_the_next_is_pulled_at_once() -> None:
    source = Endless()
    work = Work(source)
    work.replenish(0.0, 1.0)
    work.ready.clear()
    work.replenish(0.0, 1.0)
    assert source.limits == [SMALLEST_BATCH, SMALLEST_BATCH]
