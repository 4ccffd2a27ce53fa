"""The migration from the old paths: what its row says, and what the backend's reader reads."""

from __future__ import annotations

from typing import Final

from whatschat_ops.doctor.areas.stack import CREDENTIALS
from whatschat_ops.doctor.check import Check, Finding, fail, ok, warn
from whatschat_ops.doctor.facts import Facts
from whatschat_ops.errors import Hint
from whatschat_ops.migration.cohort import Service
from whatschat_ops.migration.migrating import disagreement, services_on
from whatschat_ops.migration.store import MigrationStore, Stored

FINISH: Final = Hint(("migrate", "start"), "Write the parameter from the row")
NOT_STARTED: Final = "No migration has started."


def _stored(facts: Facts) -> Stored:
    return facts.once("migration", lambda: MigrationStore(facts.aws, facts.names).read())


def published(facts: Facts) -> Finding:
    """Readers read what was decided last."""
    stored, store = _stored(facts), MigrationStore(facts.aws, facts.names)
    if not stored.state.serial:
        return ok(NOT_STARTED)  # without a row no parameter is looked for: most callers may not read it
    parameter = store.parameter()
    problem = disagreement(store, stored, parameter)
    if problem is None:
        return ok(f"The parameter says what was decided: {stored.state.place.words}.")
    evidence = (
        f"row: serial {stored.state.serial}, written {stored.written}; GetParameter.Value = {parameter}"
    )
    return fail(problem, FINISH, evidence)


def switched_on(facts: Facts) -> Finding:
    """The variables that `env render` writes do not turn off what users are on."""
    stored, on = _stored(facts), services_on(facts.settings)
    off = [each for each in Service if each not in on and stored.state.place.of(each).new]
    if not off:
        return ok("The settings turn on every service that users are on.")
    names = ", ".join(f"{each.value}.enabled" for each in off)
    return warn(
        f"Users are on {', '.join(off)}, and {names} is false: the next restart of the backend takes them off at once.",
        Hint(("migrate", "rollback", "--off", off[0].value), f"Set {names} to true, or end that migration"),
        f"settings: {names} = false; {stored.state.place.words}",
    )


CHECKS: Final = (
    Check(
        "ST050",
        "stack.migration",
        "Do readers of the migration read what was decided?",
        published,
        (CREDENTIALS,),
        actions=("dynamodb:GetItem", "ssm:GetParameter"),
        meaning="A `migrate` command was killed between its row and the SSM parameter, or something else changed the parameter: "
        "users are where the parameter says.",
        fix=FINISH,
    ),
    Check(
        "ST051",
        "stack.migration-settings",
        "Do the settings turn on what users are on?",
        switched_on,
        (CREDENTIALS,),
        actions=("dynamodb:GetItem",),
        meaning="`chime.enabled` or `websocket.enabled` is false while the migration has users on that service: the variables that "
        "`env render` writes then switch it off for all of them.",
        fix=Hint(text="Set chime.enabled or websocket.enabled to true"),
    ),
)
