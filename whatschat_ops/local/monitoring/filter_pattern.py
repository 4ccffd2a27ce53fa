"""CloudWatch Logs filter patterns: which log events match, and what is extracted from them. Pure.

The syntax is that of the CloudWatch Logs User Guide, "Filter pattern syntax" (FilterAndPatternSyntax,
matching-terms-unstructured-log-events, matching-terms-json-log-events, matching-terms-space-delimited,
regex-expressions). FilterLogEvents, TestMetricFilter, metric filters, subscription filters and Live Tail share it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from whatschat_ops.local.monitoring import pattern_condition
from whatschat_ops.local.monitoring.pattern_condition import Condition, InvalidPattern
from whatschat_ops.quotas import MAX_FILTER_PATTERN_CHARACTERS

Match = Mapping[str, str]
"""What was extracted, by selector: `$.latency` of a JSON pattern, `$bytes` or `$3` of a space-delimited one."""

Matcher = Callable[[str], Match | None]
"""A log event's message -> what it extracts, or None if it does not match."""

_TERM: Final = re.compile(
    r'(?P<mark>[?-]?)(?:"(?P<quoted>(?:\\.|[^"\\])*)"|%(?P<regex>[^%]+)%|(?P<word>\S+))'
)
_FIELD: Final = re.compile(r'\[(?P<bracketed>[^\]]*)\]|"(?P<quoted>[^"]*)"|(?P<bare>\S+)')
_FIELD_SEPARATOR: Final = re.compile(r',(?=(?:[^"]*"[^"]*")*[^"]*$)(?=(?:[^%]*%[^%]*%)*[^%]*$)')


@lru_cache(maxsize=512)
def compile_pattern(text: str) -> Matcher:
    """The matcher of a filter pattern. Raises InvalidPattern with a message as AWS words it, where that is known."""
    if len(text) > MAX_FILTER_PATTERN_CHARACTERS:
        raise InvalidPattern(f"Filter pattern is longer than {MAX_FILTER_PATTERN_CHARACTERS} characters")
    pattern = text.strip()
    if not pattern:
        return lambda _: {}
    if pattern.startswith("{"):
        return _json_matcher(_inside(pattern, "}"))
    if pattern.startswith("["):
        return _fields_matcher(_inside(pattern, "]"))
    return _terms_matcher(pattern)


def _inside(pattern: str, end: str) -> str:
    if not pattern.endswith(end):
        raise InvalidPattern(f"Invalid filter pattern: it does not end with '{end}'")
    return pattern[1:-1]


def _terms_matcher(pattern: str) -> Matcher:
    terms: dict[str, list[Callable[[str], bool]]] = {"": [], "-": [], "?": []}
    for term in _TERM.finditer(pattern):
        terms[term["mark"]].append(_term_test(term))
    required, excluded, optional = terms[""], terms["-"], terms["?"]

    def matches(message: str) -> Match | None:
        if any(test(message) for test in excluded) or not all(test(message) for test in required):
            return None
        # "If you combine the question mark with other filter patterns, it is ignored."
        if optional and not required and not excluded and not any(test(message) for test in optional):
            return None
        return {}

    return matches


def _term_test(term: re.Match[str]) -> Callable[[str], bool]:
    if term["regex"] is not None:
        expression = pattern_condition.compile_regex(term["regex"])
        return lambda message: expression.search(message) is not None
    if term["quoted"] is not None:
        text = pattern_condition.unescaped(term["quoted"])
    elif re.fullmatch(r"\w+", term["word"]):
        text = term["word"]
    else:
        raise InvalidPattern(f"Invalid character(s) in term '{term['word']}'")
    return lambda message: text in message


def _json_matcher(expression: str) -> Matcher:
    condition, selectors = pattern_condition.parse(expression, json_events=True)

    def matches(message: str) -> Match | None:
        event = json_event(message)
        if event is None or not condition(lambda selector: values_at(event, selector)):
            return None
        return extracted_from(event, selectors)

    return matches


def json_event(message: str) -> Mapping[str, Any] | None:
    """The JSON object that a log event is, or None."""
    if not message.lstrip().startswith("{"):
        return None
    try:
        event = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def extracted_from(event: Mapping[str, Any], selectors: Iterable[str]) -> dict[str, str]:
    """The strings, numbers and booleans that the selectors find, as text. Objects, arrays and null extract nothing."""
    found = {}
    for selector in selectors:
        values = [value for value in values_at(event, selector) if isinstance(value, (str, int, float))]
        if values:
            found[selector] = pattern_condition.as_text(values[0])
    return found


def values_at(event: Any, selector: str) -> list[Any]:
    """What a selector such as `$.users[0].id` or `$.users[*].id` finds in a JSON event; nothing: an empty list."""
    found = [event]
    for name, index, quoted in re.findall(r"\.([\w-]+|\*)|\[(?:(\d+|\*)|'([^']+)')\]", selector):
        if quoted:
            found = [parent[quoted] for parent in found if isinstance(parent, dict) and quoted in parent]
        else:
            found = [value for parent in found for value in _children(parent, name, index)]
    return found


def _children(parent: Any, name: str, index: str) -> list[Any]:
    if isinstance(parent, dict) and name:
        return list(parent.values()) if name == "*" else [parent[name]] if name in parent else []
    if isinstance(parent, list) and index:
        return parent if index == "*" else parent[int(index) : int(index) + 1]
    return []


def _fields_matcher(text: str) -> Matcher:
    names, conditions = _named_fields(text)
    if names.count("...") > 1:
        raise InvalidPattern("Invalid filter pattern: more than one ellipsis")

    def matches(message: str) -> Match | None:
        values = [
            next(part for part in field.groups() if part is not None) for field in _FIELD.finditer(message)
        ]
        fields = _placed(names, values)
        if fields is None or not all(
            condition(lambda name: [fields[f"${name}"]] if f"${name}" in fields else [])
            for condition in conditions
        ):
            return None
        return fields

    return matches


def _named_fields(text: str) -> tuple[list[str], list[Condition]]:
    names, conditions = [], []
    for part in (field.strip() for field in _FIELD_SEPARATOR.split(text)):
        if not part or re.fullmatch(r"\.\.\.|[\w-]+", part):
            names.append(part)
            continue
        condition, selectors = pattern_condition.parse(part, json_events=False)
        names.append(selectors[0])
        conditions.append(condition)
    return names, conditions


def _placed(names: list[str], values: list[str]) -> dict[str, str] | None:
    """The values by name, or by position where the pattern has no name; None if there are more or fewer fields."""
    if "..." in names:
        missing = len(values) - len(names) + 1
        if missing < 0:
            return None
        at = names.index("...")
        names = [*names[:at], *[""] * missing, *names[at + 1 :]]
    if len(names) != len(values):
        return None
    return {
        f"${name or position}": value
        for position, (name, value) in enumerate(zip(names, values, strict=True), start=1)
    }
