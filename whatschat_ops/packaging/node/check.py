"""The finished zip, checked as Node.js in Lambda will see it: every module that the handlers load is there, in the folder's version.

Takes the zip's content and what was found in the folder. Raises OpsError that names each file and what it asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from whatschat_ops.errors import OpsError
from whatschat_ops.packaging.content import ZipContent
from whatschat_ops.packaging.node.dependencies import Dependencies
from whatschat_ops.packaging.node.imports import Import
from whatschat_ops.packaging.node.reach import Edge, package_name, package_root, trace
from whatschat_ops.packaging.node.resolution import Resolver
from whatschat_ops.packaging.node.tree import TASK_ROOT, Tree

RUNTIME_SCOPES: Final = ("@aws-sdk/", "@smithy/")
"""What Lambda's Node.js runtimes bring (docs.aws.amazon.com/lambda, "Runtime-included SDK versions")."""

SHOWN: Final = 10


def check_zip(
    content: ZipContent,
    entries: Collection[str],
    runtime: str,
    manifest: Mapping[str, Any],
    optional: Collection[str],
    folder: Dependencies | None,
    warn: Callable[[str], None],
) -> None:
    """Raise OpsError when a module is missing in the zip, or is another file than in the folder.

    `optional` are packages that may be missing. What a package asks for inside of a function, and does not have in the folder
    either, is a warning: such a function need not be called.
    """
    resolver = Resolver(Tree(content), runtime)
    reach = trace(resolver, [f"{TASK_ROOT}/{entry}" for entry in entries], manifest=manifest)
    absent = [edge for edge in reach.missing if not _may_be_missing(edge, optional)]
    perhaps = [edge for edge in absent if edge.wanted.lazy and package_root(edge.asker) is not None]
    needed = [edge for edge in absent if edge not in perhaps]
    if needed:
        raise OpsError(
            f"The code cannot run in Lambda, because modules are missing in the zip: {_listed(needed)}.",
            hint="Add them to the dependencies in package.json, or to lambda.source.optional if the code works without them.",
        )
    if perhaps:
        warn(f"Warning: modules that are loaded in some cases are missing in the zip: {_listed(perhaps)}.")
    if folder is not None:
        _check_versions({key: edge.found.path for key, edge in reach.edges.items() if edge.found}, folder)


def _may_be_missing(edge: Edge, optional: Collection[str]) -> bool:
    specifier = edge.wanted.specifier
    return specifier.startswith(RUNTIME_SCOPES) or package_name(specifier) in optional


def _listed(edges: list[Edge]) -> str:
    shown = [f"{edge.wanted.specifier} (loaded by {_inner(edge.asker)})" for edge in edges[:SHOWN]]
    return ", ".join(shown) + (f" and {len(edges) - SHOWN} more" if len(edges) > SHOWN else "")


def _inner(path: str) -> str:
    return path.removeprefix(f"{TASK_ROOT}/")


def _check_versions(in_zip: Mapping[tuple[str, Import], str], folder: Dependencies) -> None:
    for edge, found in folder.reach.found:
        asker, wanted = folder.places[edge.asker], edge.wanted.specifier
        there = in_zip.get((f"{TASK_ROOT}/{asker}", edge.wanted))
        if there is not None and _inner(there) != folder.places[found.path]:
            raise OpsError(
                f"{asker} would load {_inner(there)} for {wanted} in Lambda, and {found.path} in the folder.",
                hint="Delete the package from the zip that the `package` script makes, or from the folder.",
            )
