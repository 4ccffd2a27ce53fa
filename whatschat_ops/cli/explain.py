"""`explain`: what an error text, a code or a close code means, and what to do about it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.lines import Lines, Styled, aligned
from whatschat_ops.errors import Hint, Missing, UsageError

if TYPE_CHECKING:
    from whatschat_ops.cli.terminal.output import Output
    from whatschat_ops.explain import Entry, Found

_MOST_OTHERS = 4
_CHECK = re.compile(r"(?i)(?:ST|WS|CH|AP)\d{3}")


@dataclass(frozen=True, slots=True)
class Topic:
    """What can be explained: `key` is what `explain` takes, too."""

    key: str
    title: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a text means. `causes` begin with the likeliest; `others` fit the text, too, less well."""

    key: str
    title: str
    meaning: str
    causes: Sequence[str]
    fix: Hint
    sources: Sequence[str]
    others: Sequence[Topic]


def explain(
    run: Run,
    text: Annotated[
        list[str] | None, typer.Argument(help="An error, a code or a close code; - reads standard input")
    ] = None,
) -> None:
    """Explain an error text, code or close code.

    Gives the meaning, the likely causes, the command to run next, and the source. Ids, times and addresses in a pasted text do not
    matter. The codes of `doctor` (WS014) are explained, too. Without a text, lists what is known. Asks AWS nothing. Exit code 1 if nothing fits.

    Example:
        whatschat-ops explain 1006
        whatschat-ops explain "Unexpected server response: 403"
    """
    from whatschat_ops.explain import entries, search

    known = entries()
    if not text:
        topics = [Topic(key, entry.title) for key, entry in known.items()]
        run.out.result(topics, _render_topics)
        return
    words = " ".join(text)
    asked = sys.stdin.read() if words == "-" else words
    if not asked.strip():
        raise UsageError(
            "There is no text to explain.", hint=Hint(("explain", "1006"), "Give one, for example")
        )
    if _CHECK.fullmatch(asked.strip()) and (check := _of_check(asked.strip().upper())):
        run.out.result(check, lambda shown: Lines(list(_lines(run.out, shown))))
        return
    found = [_of_key(asked, known)] if asked.strip() in known else search(asked, known)
    if not (found and found[0].sure):
        raise _unknown(found)
    shown = _explanation(found)
    run.out.result(shown, lambda shown: Lines(list(_lines(run.out, shown))))


def _of_check(code: str) -> Explanation | None:
    """A check of `doctor` by its code; the others are the checks whose failure explains it."""
    from whatschat_ops.doctor.catalogue import CHECKS

    checks = {check.code: check for check in CHECKS}
    if code not in checks:
        return None
    found = checks[code]
    others = [Topic(each, checks[each].question) for each in found.causes[-_MOST_OTHERS:]]
    fix = found.fix or Hint(("doctor", "--only", code), "Check it alone")
    title = f"{code} {found.name}: {found.question}"
    meaning = "A check of `doctor`. What follows is what its failure means, and below it the checks that it may follow from."
    return Explanation(code, title, meaning, (found.meaning,), fix, (found.document,), others)


def _of_key(key: str, known: Mapping[str, Entry]) -> Found:
    from whatschat_ops.explain import Found

    return Found(key.strip(), known[key.strip()], sure=True)


def _unknown(near: Sequence[Found]) -> Missing:
    if not near:
        return Missing("Nothing is known about this text.", hint=Hint(("explain",), "See what is known"))
    names = ", ".join(f"{item.key} ({item.entry.title})" for item in near)
    return Missing(
        f"Nothing is known about this text. The nearest: {names}.", hint=Hint(("explain", near[0].key))
    )


def _explanation(found: Sequence[Found]) -> Explanation:
    best, *others = found
    entry = best.entry
    topics = tuple(Topic(item.key, item.entry.title) for item in others[:_MOST_OTHERS])
    return Explanation(best.key, entry.title, entry.meaning, entry.causes, entry.hint, entry.sources, topics)


def _lines(out: Output, shown: Explanation) -> Iterator[Styled]:
    yield Styled(shown.title, "bold")
    yield Styled(shown.meaning, wrapped=True)
    yield Styled("")
    yield Styled("Likely causes", "bold")
    for number, cause in enumerate(shown.causes, 1):
        yield Styled(f"{number}. {cause}", wrapped=True)
    yield Styled("")
    yield Styled(f"Next: {out.suggestion(shown.fix)}", "green")
    yield from (Styled(f"Source: {source}", "dim") for source in shown.sources)
    yield from (Styled(f"Or: {other.title} (explain {other.key})", "dim") for other in shown.others)


def _render_topics(topics: Sequence[Topic]) -> Lines:
    return Lines([Styled(line) for line in aligned([(topic.key, topic.title) for topic in topics])])
