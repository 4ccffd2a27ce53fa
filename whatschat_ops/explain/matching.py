"""Which explanations a pasted text means: what differs from one occurrence to the next (ids, ARNs, times, hosts) is left out first."""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from whatschat_ops.explain.entries import Entry

MOST_CHARACTERS: Final = 20_000
"""Of a text that are read: an error stands in its first lines."""
ALIKE: Final = 0.6
"""The share of an entry's text (by weight of its words) that is enough to be found by; less is only near."""
NEAR: Final = 0.2
_NEAREST: Final = 3

_VARIABLE: Final = re.compile(
    r"arn:[a-z-]+:\S*"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\d(?:[t ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:z|[+-]\d\d:?\d\d)?)?"
    r"|\b(?:wss?|https?)://[^\s\"']+"
    r"|eyj[a-z0-9_-]+\.[a-z0-9._-]+"
    r"|\b[a-z0-9_/+-]{10,}={1,2}"
    r"|\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b"
    r"|\b\d{6,}\b"
)
"""ARN, UUID, time, URL, token, connection id, address, number of an account or of milliseconds; of a text in small letters."""
_WORDS: Final = re.compile(r"[a-z0-9$@_]+")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{8,}")
"""A code that is a name, long enough not to be a word of a sentence."""
_RANGE: Final = re.compile(r"\d+-\d+")
_SAYS_A_CODE: Final = re.compile(r"(?:code|status|closed?|http|response|error)$")
"""In front of a number that is a code: `code 1006`, `"statusCode": 403`."""

_CODE_ALONE: Final = 4.0
_WHOLE_TEXT: Final = 2.0
_CODE_WITHIN: Final = 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that fits a text. `sure` is False for one that is only near."""

    key: str
    entry: Entry
    sure: bool


def search(text: str, known: Mapping[str, Entry]) -> list[Found]:
    """The entries that a text means, best first; at most three that are near if there is none."""
    said = words(text)
    weights = _Weights(known)
    scores = {key: _score(said, entry, weights) for key, entry in known.items()}
    ranked = sorted((key for key in known if scores[key] >= NEAR), key=lambda key: -scores[key])
    least = ALIKE if not ranked or scores[ranked[0]] < _CODE_WITHIN else _CODE_WITHIN
    sure = [Found(key, known[key], sure=True) for key in ranked if scores[key] >= least]
    near = ranked or _spelt_alike(text, known)
    return sure or [Found(key, known[key], sure=False) for key in near[:_NEAREST]]


@cache
def words(text: str) -> tuple[str, ...]:
    """A text as it is compared: small words, without what differs between two occurrences."""
    return tuple(_WORDS.findall(_VARIABLE.sub(" ", text[:MOST_CHARACTERS].lower())))


class _Weights:
    """How much a word says: one that many entries have says little."""

    def __init__(self, known: Mapping[str, Entry]) -> None:
        having = Counter(word for entry in known.values() for word in {*words(" ".join(entry.texts))})
        self._of = {word: math.log(1 + len(known) / count) for word, count in having.items()}

    def of(self, those: set[str]) -> float:
        """The weight of all the words together."""
        return sum(self._of.get(word, 0.0) for word in those)


def _score(said: tuple[str, ...], entry: Entry, weights: _Weights) -> float:
    """How well an entry fits: the constants below for a code or a whole text of it, else the share of a text that was said."""
    if any(_is_code(said, code) for code in entry.codes):
        return _CODE_ALONE - any(map(_RANGE.fullmatch, entry.codes))
    joined = f" {' '.join(said)} "
    if longest := max((_length_within(joined, text) for text in entry.texts), default=0):
        return _WHOLE_TEXT + longest / MOST_CHARACTERS
    if any(_has_code(said, code) for code in entry.codes):
        return _CODE_WITHIN
    shares = (_share(set(said), set(words(text)), weights) for text in entry.texts)
    return max(shares, default=0.0) * 0.99


def _length_within(joined: str, text: str) -> int:
    """How many characters of an entry's text are in what was said, 0 if not all are. `*` stands for up to 200 characters."""
    parts = [part for piece in text.split("*") if (part := " ".join(words(piece)))]
    if any(f" {part} " not in joined for part in parts):
        return 0
    in_order = len(parts) == 1 or re.search(
        "(?: .{0,200}?)?".join(f" {re.escape(part)}" for part in parts), joined
    )
    return sum(map(len, parts)) if in_order else 0


def _is_code(said: tuple[str, ...], code: str) -> bool:
    """Whether all that was said is the code, or a number in its range."""
    if _RANGE.fullmatch(code) and len(said) == 1 and said[0].isdecimal():
        low, _, high = code.partition("-")
        return int(low) <= int(said[0]) <= int(high)
    return said == words(code)


def _has_code(said: tuple[str, ...], code: str) -> bool:
    """Whether a code stands in a text: a name as it is, a number only where a word in front says that it is one."""
    length = len(words(code))
    for number in range(len(said) - length + 1):
        if not _is_code(said[number : number + length], code):
            continue
        if not said[number].isdecimal():
            if length > 1 or _NAME.fullmatch(said[number]):
                return True
        elif any(_SAYS_A_CODE.search(before) for before in said[max(0, number - 2) : number]):
            return True
    return False


def _share(said: set[str], text: set[str], weights: _Weights) -> float:
    """The share of an entry's text that was said, by weight; one word alone is none."""
    common = said & text
    return weights.of(common) / weights.of(text) if len(common) > 1 else 0.0


def _spelt_alike(text: str, known: Mapping[str, Entry]) -> list[str]:
    names = {code.lower(): key for key, entry in known.items() for code in (key, *entry.codes)}
    close = difflib.get_close_matches(text.strip().lower()[:100], names, n=_NEAREST)
    return list(dict.fromkeys(names[name] for name in close))
