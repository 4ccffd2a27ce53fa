"""The conditions inside a JSON or a space-delimited filter pattern: `$.status >= 500 && $.route != "ping*"`. Pure.

Order of operations: () before && before || (CloudWatch Logs User Guide, matching-terms-json-log-events). A selector
that points to an object, an array or nothing makes a comparison false, `!=` too.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from whatschat_ops.quotas import MAX_FILTER_PATTERN_REGEXES

Lookup = Callable[[str], list[Any]]
"""A selector -> the values that it finds in the event."""

Condition = Callable[[Lookup], bool]

MAX_DEPTH: Final = 50
"""Of nested parentheses: CloudWatch Logs documents no limit, but each one takes stack here."""
_TOKEN: Final = re.compile(
    r'\s*(?:(?P<symbol>&&|\|\||[()]|>=|<=|!=|=|<|>)|"(?P<quoted>(?:\\.|[^"\\])*)"|%(?P<regex>[^%]+)%'
    r"|(?P<word>(?:\['[^']*'\]|[^\s()=!<>&|\"%])+))"
)
_SELECTOR: Final = re.compile(r"\$(?:\.(?:[\w-]+|\*)|\[(?:\d+|\*)\]|\.?\['[^']+'\])+")
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_REGEX: Final = re.compile(r"(?:[A-Za-z0-9:_#=@/;,\-^$?\[\]{}|*+.]|\\[\x21-\x7e])+")
_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


class InvalidPattern(ValueError):
    """A filter pattern that CloudWatch Logs refuses (InvalidParameterException)."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    """`symbol`, `quoted`, `regex`, `word`, or `end`."""
    text: str


def parse(text: str, *, json_events: bool) -> tuple[Condition, list[str]]:
    """A condition and the selectors in it (`$.a.b`, or the names of fields). Raises InvalidPattern."""
    parser = _Parser(_tokens(text), json_events)
    condition = parser.either()
    parser.expect("end", "")
    return condition, parser.selectors


def compile_regex(text: str) -> re.Pattern[str]:
    """The expression between two `%`. Raises InvalidPattern for what CloudWatch Logs does not support."""
    if not _REGEX.fullmatch(text):
        raise InvalidPattern(f"Invalid regular expression '{text}': unsupported characters")
    try:
        return re.compile(text, re.ASCII)
    except re.error as error:
        raise InvalidPattern(f"Invalid regular expression '{text}': {error}") from None


def unescaped(quoted: str) -> str:
    """The text that a quoted term stands for: `\\"` is a quotation mark."""
    return re.sub(r'\\(["\\])', r"\1", quoted)


def as_text(value: Any) -> str:
    """A JSON string, number or boolean as a pattern compares it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _tokens(text: str) -> list[_Token]:
    tokens, at, end = [], 0, len(text.rstrip())
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None:
            raise InvalidPattern(f"Invalid filter pattern at '{text[at:].strip()}'")
        tokens.append(_Token(str(token.lastgroup), token[str(token.lastgroup)]))
        at = token.end()
    if sum(token.kind == "regex" for token in tokens) > MAX_FILTER_PATTERN_REGEXES:
        raise InvalidPattern(
            f"Invalid filter pattern: more than {MAX_FILTER_PATTERN_REGEXES} regular expressions"
        )
    return [*tokens, _Token("end", "")]


class _Parser:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: list[_Token], json_events: bool) -> None:
        self._tokens = tokens
        self._json_events = json_events
        self._depth = 0
        self.selectors: list[str] = []

    def either(self) -> Condition:
        parts = [self._all()]
        while self._skip("||"):
            parts.append(self._all())
        return lambda lookup: any(part(lookup) for part in parts)

    def expect(self, kind: str, text: str) -> None:
        token = self._tokens.pop(0)
        if (token.kind, token.text) != (kind, text):
            raise InvalidPattern(f"Invalid filter pattern: unexpected '{token.text}'")

    def _all(self) -> Condition:
        parts = [self._single()]
        while self._skip("&&"):
            parts.append(self._single())
        return lambda lookup: all(part(lookup) for part in parts)

    def _single(self) -> Condition:
        if self._skip("("):
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise InvalidPattern(
                    f"Filter pattern: the embedded AWS does not read more than {MAX_DEPTH} nested parentheses"
                )
            condition = self.either()
            self.expect("symbol", ")")
            self._depth -= 1
            return condition
        selector = self._selector()
        token = self._tokens.pop(0)
        if token.kind == "symbol" and token.text in _COMPARISONS:
            test = self._comparison(token.text, self._tokens.pop(0))
            return lambda lookup: any(map(test, lookup(selector)))
        words = f"{token.text} {self._tokens.pop(0).text}".upper() if token.kind == "word" else ""
        if words == "NOT EXISTS":
            return lambda lookup: not lookup(selector)
        expected = {"IS NULL": None, "IS TRUE": True, "IS FALSE": False}
        if words not in expected:
            raise InvalidPattern(f"Invalid filter pattern: unexpected '{token.text}' after '{selector}'")
        return lambda lookup: any(value is expected[words] for value in lookup(selector))

    def _selector(self) -> str:
        token = self._tokens.pop(0)
        expression = _SELECTOR if self._json_events else re.compile(r"[\w-]+")
        if token.kind != "word" or not expression.fullmatch(token.text):
            raise InvalidPattern(f"Invalid filter pattern: '{token.text}' is not a property selector")
        self.selectors.append(token.text)
        return token.text

    def _skip(self, symbol: str) -> bool:
        found = self._tokens[0] == _Token("symbol", symbol)
        if found:
            self._tokens.pop(0)
        return found

    def _comparison(self, comparison: str, literal: _Token) -> Callable[[Any], bool]:
        if literal.kind in ("end", "symbol"):
            raise InvalidPattern("Invalid filter pattern: a comparison without a value")
        if literal.kind == "word" and _NUMBER.fullmatch(literal.text):
            return _numeric(comparison, literal.text, numbers_in_text=not self._json_events)
        if comparison not in ("=", "!="):
            raise InvalidPattern(
                f"Invalid filter pattern: '{comparison}' needs a number, not '{literal.text}'"
            )
        matches = _text_test(literal)
        return lambda value: _is_scalar(value) and matches(as_text(value)) == (comparison == "=")


def _numeric(comparison: str, literal: str, *, numbers_in_text: bool) -> Callable[[Any], bool]:
    compare, number = _COMPARISONS[comparison], float(literal)

    def test(value: Any) -> bool:
        if isinstance(value, str) and numbers_in_text and _NUMBER.fullmatch(value):
            return compare(float(value), number)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return compare(value, number)
        # A number is not less or greater than text; it can be the same text.
        return comparison in ("=", "!=") and _is_scalar(value) and compare(as_text(value), literal)

    return test


def _text_test(literal: _Token) -> Callable[[str], bool]:
    if literal.kind == "regex":
        expression = compile_regex(literal.text)
        return lambda text: expression.search(text) is not None
    text = unescaped(literal.text) if literal.kind == "quoted" else literal.text
    # An asterisk is a wildcard at the beginning and at the end only: `Ev*ent` is that text.
    body = text.removeprefix("*")
    starts_anywhere, ends_anywhere = body != text, body.endswith("*")
    body = body.removesuffix("*")
    if starts_anywhere and ends_anywhere:
        return lambda value: body in value
    if starts_anywhere:
        return lambda value: value.endswith(body)
    if ends_anywhere:
        return lambda value: value.startswith(body)
    return lambda value: value == body


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float))
