"""Makes ministack's SimulatePrincipalPolicy find principals that have an IAM path.

ministack 1.5.33 takes `path/name` of `arn:aws:iam::1:role/path/name` for the name, finds no such role, and denies
everything. Names cannot contain a slash, so the last part is the name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def install_principal_paths(iam_evaluator: Any) -> None:
    """Replace the two look-ups of a principal's policies in `ministack.core.iam_evaluator`."""
    for attribute in ("_gather_role_policies", "_gather_user_policies"):
        setattr(iam_evaluator, attribute, _by_last_part(getattr(iam_evaluator, attribute)))


def _by_last_part(gather: Callable[[str, str], Any]) -> Callable[[str, str], Any]:
    def gather_policies(name: str, account_id: str) -> Any:
        return gather(name.rpartition("/")[2], account_id)

    return gather_policies
