"""Makes ministack's SimulatePrincipalPolicy find principals that have an IAM path, and use the context that it is given.

ministack 1.5.33 takes `path/name` of `arn:aws:iam::1:role/path/name` for the name, finds no such role, and denies
everything. Names cannot contain a slash, so the last part is the name. It reads no ContextEntries, and names no
MissingContextValues (IAM API Reference, SimulatePrincipalPolicy and EvaluationResult).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Final
from xml.sax.saxutils import escape

_given: ContextVar[Mapping[str, str | list[str]]] = ContextVar("whatschat_simulated_context")
NOTHING_MISSING: Final = "<MissingContextValues></MissingContextValues>"


def install_principal_paths(iam_evaluator: Any) -> None:
    """Replace the two look-ups of a principal's policies in `ministack.core.iam_evaluator`."""
    for attribute in ("_gather_role_policies", "_gather_user_policies"):
        setattr(iam_evaluator, attribute, _by_last_part(getattr(iam_evaluator, attribute)))


def _by_last_part(gather: Callable[[str, str], Any]) -> Callable[[str, str], Any]:
    def gather_policies(name: str, account_id: str) -> Any:
        return gather(name.rpartition("/")[2], account_id)

    return gather_policies


def install_context(iam: Any, iam_evaluator: Any) -> None:
    """Evaluate a simulation with the condition keys of its request, and name those that a policy asks for besides."""
    extract, build, evaluate = (
        iam._extract_simulate_params,
        iam._build_simulate_results_real,
        iam_evaluator.evaluate,
    )

    def extract_and_keep(request: Mapping[str, Any]) -> Any:
        _given.set(dict(_entries(request)))
        return extract(request)

    def evaluate_with_context(context: Any, *policies: Any) -> Any:
        context.service_context.update(_given.get({}))
        return evaluate(context, *policies)

    def results(actions: list[str], *rest: Any) -> str:
        try:
            return "".join(
                build([action], *rest).replace(NOTHING_MISSING, _missing(iam_evaluator, action, rest[-1]))
                for action in actions
            )
        finally:
            _given.set({})

    iam._extract_simulate_params, iam._build_simulate_results_real = extract_and_keep, results
    iam_evaluator.evaluate = evaluate_with_context


def _entries(request: Mapping[str, Any]) -> Iterator[tuple[str, str | list[str]]]:
    """The name of each condition key, in lower case, and its value, or a list of several."""

    def members(prefix: str, end: str = "") -> Iterator[str]:
        number = 1
        while (found := request.get(f"{prefix}.member.{number}{end}")) is not None:
            yield found[0] if isinstance(found, list) else str(found)
            number += 1

    for number, name in enumerate(members("ContextEntries", ".ContextKeyName"), start=1):
        values = list(members(f"ContextEntries.member.{number}.ContextKeyValues"))
        yield name.lower(), values[0] if len(values) == 1 else values


def _missing(iam_evaluator: Any, action: str, policies: list[list[Any]]) -> str:
    """The condition keys of services that statements about the action name and the request does not give."""
    asked = {
        key
        for policy in policies
        for statement in policy
        if iam_evaluator._action_matches(action, statement.actions, statement.not_actions)
        for tests in statement.conditions.values()
        for key in tests
        if key.lower() not in _given.get({}) and not key.lower().startswith("aws:")
    }
    members = "".join(f"<member>{escape(key)}</member>" for key in sorted(asked))
    return f"<MissingContextValues>{members}</MissingContextValues>"
