"""`doctor --fix`: the repairs that lose no data, each shown and asked about, by the features that the fix commands call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from whatschat_ops.cli.run import Run
from whatschat_ops.doctor.check import Check, CheckResult, Repair, Status
from whatschat_ops.errors import Hint
from whatschat_ops.plurals import counted

if TYPE_CHECKING:
    from whatschat_ops.provision import Plan


def fix(run: Run, checks: Sequence[Check], results: Sequence[CheckResult], *, yes: bool) -> bool:
    """Make every repair that a failed check (or a warning) names, once. Whether anything may have changed."""
    by_code = {check.code: check for check in checks}
    found = [result for result in results if result.status in (Status.FAIL, Status.WARN)]
    wanted = dict.fromkeys(repair for result in found if (repair := by_code[result.code].repair))
    for result in found:
        if by_code[result.code].repair is None:
            run.out.note(f"{result.code} takes a person: {result.detail}")
    made = [_REPAIRS[repair](run, yes) for repair in wanted]  # all of them, whatever the first did
    return any(made)


def _provision(run: Run, yes: bool) -> bool:
    from whatschat_ops.cli.stack.applying import show_and_apply

    stack = run.stack()
    made = stack.plan()
    if reason := _unsafe(made):
        run.out.warn(Hint(("plan",), f"{reason}, so this is not done here. Look at"))
        return False
    if not made.changing:
        return False
    applied = show_and_apply(run, stack, made, f"Apply this to {stack.name}?", yes=yes)
    return applied is not None


def _unsafe(made: Plan) -> str:
    """Why a plan is not applied without a person who decides; "" when it may be."""
    from whatschat_ops.provision import Action

    if made.blocked:
        return f"{made.blocked[0].address} cannot be changed now"
    losing = [step.address for step in made.changing if step.loses_data]
    if losing:
        return f"Provisioning would make {losing[0]} again, without its data"
    deleted = [step.address for step in made.changing if step.action is Action.DELETE]
    return f"Provisioning would delete {deleted[0]}" if deleted else ""


def _prune(run: Run, yes: bool) -> bool:
    from whatschat_ops.connections.pruning import prune

    table = run.names.connections_table
    if not run.out.confirm(f"Delete the rows of {table} whose connections ended?", yes=yes):
        return False
    report = prune(run.connections(), run.sockets(1_000), probe=False)
    run.out.note(f"{counted(report.pruned, 'row was', 'rows were')} deleted.")
    return True


def _concurrency(run: Run, yes: bool) -> bool:
    client = run.aws.client("lambda")
    names = [run.names.function(short) for short in run.names.functions]
    limits = {name: client.get_function_concurrency(FunctionName=name) for name in names}
    off = [name for name, limit in limits.items() if limit.get("ReservedConcurrentExecutions") == 0]
    if not off or not run.out.confirm(f"Let {', '.join(off)} run again?", yes=yes):
        return False
    for name in off:
        client.delete_function_concurrency(FunctionName=name)
    run.out.note(f"{', '.join(off)} may run again.")
    return True


_REPAIRS: Final[Mapping[Repair, Callable[[Run, bool], bool]]] = {
    Repair.PROVISION: _provision,
    Repair.PRUNE: _prune,
    Repair.CONCURRENCY: _concurrency,
}
