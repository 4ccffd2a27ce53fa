"""`doctor bundle` and `doctor --from`: the facts of a run as a file, and the checks on such a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from whatschat_ops.cli.advice import advise
from whatschat_ops.cli.run import Run
from whatschat_ops.plurals import counted

if TYPE_CHECKING:
    from whatschat_ops.doctor.facts import Facts

MOST_BYTES = 64 * 1024 * 1024
"""Of a bundle that is read; one of a stack with 30 resources has 0.3 MB."""
DEFAULT = Path("doctor-bundle.json")


@dataclass(frozen=True, slots=True)
class WrittenBundle:
    """The file that was written, how many facts it has, and which checks failed or warned."""

    file: Path
    facts: int
    failed: Sequence[str]
    warned: Sequence[str]


def write_bundle(run: Run, file: Path | None) -> None:
    """Make all checks, and write what they rest on."""
    from whatschat_ops.cli.version import this_version
    from whatschat_ops.doctor import Facts, Status, run_checks
    from whatschat_ops.doctor.bundle import bundle_of
    from whatschat_ops.doctor.catalogue import CHECKS
    from whatschat_ops.files import require_writable, write_whole

    path = file or DEFAULT
    require_writable(path, flag="bundle")
    facts = Facts(run.settings, run.aws)
    with run.out.status("Checking the stack"):
        results = run_checks(CHECKS, facts, advise=lambda error: advise(error, "doctor"))
    origins = {key: str(origin) for key, origin in run.loaded.origins.items()}
    write_whole(path, bundle_of(facts, results, origins, asdict(this_version())), flag="bundle", mode=0o600)
    written = WrittenBundle(
        path,
        len(facts.aws.calls),
        [each.code for each in results if each.status is Status.FAIL],
        [each.code for each in results if each.status is Status.WARN],
    )
    run.out.result(written, _words)
    run.out.note("Secrets in it are replaced; account ids, ARNs, names and user ids are not.")


def read_facts(run: Run, source: Path) -> Facts:
    """The facts of a bundle, and a note of where they are from. Raises UsageError."""
    from whatschat_ops.doctor.bundle import read_bundle
    from whatschat_ops.files import read_text

    found = read_bundle(read_text(source, flag="--from", most_bytes=MOST_BYTES), str(source))
    version = str(found.versions.get("version", "an unknown version"))
    run.out.note(f"{source}: facts of {found.made_at}, by whatschat-ops {version}. AWS is not asked.")
    return found.facts


def _words(written: WrittenBundle) -> str:
    said = f"{counted(len(written.failed), 'check')} failed, {len(written.warned)} warned"
    return f"{written.file}: {written.facts} answers of AWS; {said}."
