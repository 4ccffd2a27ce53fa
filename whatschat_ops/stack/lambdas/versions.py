"""Published versions of a function: list them, and delete the old ones.

Takes a Lambda client and a function's name. It never deletes `$LATEST`, nor a version that an alias points to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from whatschat_ops.errors import AwsError, Conflict, NotFound
from whatschat_ops.stack.waiting import Waiting


def list_configurations(client: Any, function: str) -> list[Mapping[str, Any]]:
    """The configuration of `$LATEST` and of every published version. Raises NotFound without the function."""
    pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=function)
    return [configuration for page in pages for configuration in page["Versions"]]


def list_aliases(client: Any, function: str) -> list[Mapping[str, Any]]:
    """Every alias of a function, as Lambda describes it."""
    pages = client.get_paginator("list_aliases").paginate(FunctionName=function)
    return [alias for page in pages for alias in page["Aliases"]]


def weights(alias: Mapping[str, Any]) -> dict[str, float]:
    """Version -> the share of the alias's calls that it gets (0 to 1)."""
    additional = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    shares = {str(version): float(weight) for version, weight in additional.items()}
    return {str(alias["FunctionVersion"]): round(1.0 - sum(shares.values()), 6), **shares}


def numbers(configurations: list[Mapping[str, Any]]) -> list[str]:
    """The published versions' numbers, oldest first."""
    return sorted((v["Version"] for v in configurations if v["Version"].isdigit()), key=int)


def prune(client: Any, waiting: Waiting, function: str, *, newest: str, keep: int) -> list[str]:
    """Delete all but the newest `keep` versions and those behind an alias; give what was deleted.

    Numbers count up from 1, so up to `keep` nothing is asked. What cannot be deleted is said and left for the next
    deployment: the one that is going on has succeeded.
    """
    if not newest.isdigit() or int(newest) <= keep:
        return []
    deleted = []
    try:
        for version in _old(client, function, keep):
            if _delete(client, function, version):
                deleted.append(version)
    except AwsError as error:
        waiting.say(f"Old versions of {function} are still there: {error.message}")
    return deleted


def _old(client: Any, function: str, keep: int) -> Iterator[str]:
    in_use = {version for alias in list_aliases(client, function) for version in weights(alias)}
    older = numbers(list_configurations(client, function))[:-keep]
    return (version for version in older if version not in in_use)


def _delete(client: Any, function: str, version: str) -> bool:
    try:
        client.delete_function(FunctionName=function, Qualifier=version)
    except (
        Conflict
    ):  # an alias was pointed to it meanwhile: "You can't delete a version that an alias references"
        return False
    except NotFound:
        return False
    return True
