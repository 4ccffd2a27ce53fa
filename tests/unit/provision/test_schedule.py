"""In which order a walk begins what may begin."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.config import Settings
from whatschat_ops.provision.schedule import chains_behind, walk
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.parts.blueprint import Blueprint
from whatschat_ops.stack.resources import stack_resources


def graphs() -> st.SearchStrategy[dict[str, list[str]]]:
    """Nodes that depend on nodes with a smaller number."""
    return st.lists(st.sets(st.integers(0, 11)), min_size=1, max_size=12).map(
        lambda rows: {str(n): sorted(str(d) for d in row if d < n) for n, row in enumerate(rows)}
    )


def order(dependencies: Mapping[str, Collection[str]]) -> list[str]:
    """The order of a walk with one worker."""
    begun: list[str] = []
    walk(dependencies, begun.append, concurrency=1)
    return begun


@given(graphs())
def test_a_chain_is_one_longer_than_the_longest_of_what_waits(dependencies: dict[str, list[str]]) -> None:
    lengths = chains_behind(dependencies)
    for node in dependencies:
        waiting = [lengths[other] for other, needs in dependencies.items() if node in needs]
        assert lengths[node] == (max(waiting) + 1 if waiting else 0)


@given(graphs())
def test_of_what_is_ready_the_longest_chain_comes_first(dependencies: dict[str, list[str]]) -> None:
    lengths, done = chains_behind(dependencies), set[str]()
    for node in order(dependencies):
        ready = [
            other for other, needs in dependencies.items() if other not in done and done.issuperset(needs)
        ]
        assert lengths[node] == max(lengths[other] for other in ready)
        done.add(node)
    assert done == dependencies.keys()


def test_role_and_api_are_the_first_of_the_stack() -> None:
    """IAM takes seconds to agree on a role, and functions wait for it."""
    resources = stack_resources(Blueprint(Settings(), Place("us-east-1", "000000000000"))).wanted
    begun = order({resource.address: resource.dependencies for resource in resources})
    assert set(begun[:2]) <= {"api.websocket", "role.lambda"} | {
        name for name in begun if name.startswith("log_group.")
    }
    assert begun.index("role.lambda") < begun.index("table.connections")
    assert begun.index("api.websocket") < begun.index("table.connections")
