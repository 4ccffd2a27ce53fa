"""Which tests hold each kind of thing that a stranger brings, and how many cases they have.

    python -m tests.kinds [--write]

Counts what pytest collects. `--write` puts the table into docs/testing.md.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[1]
PAGE: Final = REPOSITORY / "docs" / "testing.md"
BEGIN, END = "<!-- kinds: begin -->", "<!-- kinds: end -->"

KINDS: Final[Mapping[str, Sequence[str]]] = {
    "one stack in several Regions, names at their limits, stacks of an earlier version": (
        "local/test_two_regions.py",
        "local/test_upgrade.py",
        "unit/config/test_names.py",
        "unit/config/test_limits_of_names.py",
        "unit/stack/test_earlier_roles.py",
    ),
    "where the Region comes from": ("unit/config/test_profile_region.py",),
    "what others made and use: `--adopt`, given roles, edited plans, `destroy`": (
        "local/test_adoption.py",
        "unit/stack/test_other_apis.py",
        "local/test_given_role.py",
        "unit/stack/test_roles.py",
        "local/test_saved_plan.py",
        "local/test_destroy.py",
        "unit/provision/test_planfile.py",
        "component/stack/test_table_changes.py",
    ),
    "every declared field: read back from AWS, drift named": (
        "local/test_declared_fields.py",
        "unit/stack/test_wanted_fields.py",
    ),
    "package managers, layouts, bundlers, stale builds": (
        "component/packaging/test_dependency_trees.py",
        "component/packaging/test_node.py",
        "component/packaging/test_resolution.py",
        "local/test_node_source.py",
        "unit/packaging/test_imports.py",
        "unit/packaging/test_key.py",
        "unit/packaging/test_content.py",
    ),
    "Python requirements": (
        "component/packaging/test_requirements.py",
        "unit/packaging/test_python_imports.py",
    ),
    "identities: SSO, AssumeRole, MFA, web identity, credential processes": ("aws/test_identities.py",),
    "endpoints and partitions": ("aws/test_endpoints.py", "unit/handlers/test_partitions.py"),
    "proxies and certificates": ("component/test_network.py",),
    "endpoints that are not AWS, wrong clocks": (
        "aws/test_foreign_endpoint.py",
        "unit/aws/test_foreign.py",
        "unit/aws/test_clock.py",
    ),
    "files: marks, encodings, sizes, paths that cannot be used": ("unit/test_files.py",),
    "YAML and numbers": ("unit/config/test_yaml_file.py", "unit/cli/test_values.py"),
    "`.env` files": ("unit/environment/test_dotenv_readers.py",),
    "encodings, widths, pipes and signals": ("unit/cli/test_streams.py", "component/cli/test_interrupts.py"),
    "what was not measured": ("unit/load/test_figures.py",),
    "secrets in outputs": (
        "local/test_secrets_walk.py",
        "unit/test_redaction.py",
        "unit/cli/test_redacting.py",
    ),
    "the lock of a stack, held on this machine and on others": (
        "aws/test_stack_lock.py",
        "aws/test_stack_lease.py",
    ),
    "rights, written out": (
        "unit/stack/test_policy_tables.py",
        "unit/stack/test_iam_check.py",
        "unit/local/test_guard.py",
        "local/test_conformance_passed_roles.py",
    ),
    "requests that AWS does not serve": ("local/test_unsigned_requests.py", "unit/local/test_admission.py"),
    "what is in AWS after a fault, from the settings": ("faults/test_matrix.py",),
    "a fixed part of the fuzzer": ("local/test_fuzz.py",),
}


def cases() -> Counter[str]:
    """File below `tests/` -> number of cases that pytest collects from it."""
    paths = [f"tests/{path}" for paths in KINDS.values() for path in paths]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", *paths]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return Counter(re.findall(r"^tests/(\S+?)::", done.stdout, re.MULTILINE))


def table(found: Mapping[str, int]) -> str:
    """The kinds with their cases and files, in Markdown."""
    rows = [
        f"| {kind} | {sum(found[path] for path in paths)} | {', '.join(f'`{path}`' for path in paths)} |"
        for kind, paths in KINDS.items()
    ]
    return "\n".join(["| kind | cases | files in `tests/` |", "|---|---|---|", *rows])


def main() -> None:
    """Print the table, and write it with `--write`."""
    made = table(cases())
    sys.stdout.write(f"{made}\n")
    if "--write" in sys.argv[1:]:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
