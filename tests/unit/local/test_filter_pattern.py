"""CloudWatch Logs filter patterns, by the examples of the CloudWatch Logs User Guide."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.local.monitoring.filter_pattern import compile_pattern, values_at
from whatschat_ops.local.monitoring.pattern_condition import MAX_DEPTH, InvalidPattern

LINES = ("[ERROR] WARN message", "[ERROR] message", "[WARN] message", "exiting with errorcode 1")


def matched(pattern: str, lines: tuple[str, ...] = LINES) -> list[int]:
    matches = compile_pattern(pattern)
    return [number for number, line in enumerate(lines, start=1) if matches(line) is not None]


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-unstructured-log-events.html"
)
@pytest.mark.parametrize(
    ("pattern", "lines"),
    [
        ("", [1, 2, 3, 4]),
        ('" "', [1, 2, 3, 4]),
        ("ERROR", [1, 2]),
        ("error", [4]),
        ("ERROR WARN", [1]),
        ("?ERROR ?WARN", [1, 2, 3]),
        ("ERROR -WARN", [2]),
        ("-ERROR -WARN", [4]),
        ('"[WARN] message"', [3]),
        ('-"[WARN] message"', [1, 2, 4]),
        ("ERRO", [1, 2]),
        ("?ERROR WARN", [1, 3]),  # a question mark with other terms is ignored
    ],
)
def test_terms_match_the_events_that_contain_them_with_their_case(pattern: str, lines: list[int]) -> None:
    assert matched(pattern) == lines


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-unstructured-log-events.html"
)
def test_quoted_term_may_contain_quotation_marks() -> None:
    assert matched(r'"say \"hi\""', ('she did say "hi"', "she did say hi")) == [1]


@pytest.mark.aws("recorded: InvalidParameterException of FilterLogEvents for 2024-03-04T")
def test_unquoted_term_with_other_characters_is_invalid() -> None:
    with pytest.raises(InvalidPattern, match=r"Invalid character\(s\) in term 'a-b'"):
        compile_pattern("a-b")


GUIDE_EVENT = json.dumps(
    {
        "eventType": "UpdateTrail",
        "sourceIPAddress": "111.111.111.111",
        "arrayKey": ["value", "another value"],
        "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
        "cluster.name": "c",
        "SomeObject": None,
        "ThisFlag": True,
        "latency": 510.5,
        "status": "500",
        "user": {"id": 1, "email": "John.Stiles@example.com"},
        "users": [{"id": 2, "email": "John.Doe@example.com"}, {"id": 3, "email": "Jane.Doe@example.com"}],
        "actions": ["GET", "PUT", "DELETE"],
        "coordinates": [[0, 1, 2], [4, 5, 6], [7, 8, 9]],
    }
)


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-json-log-events.html"
)
@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ('{ $.eventType = "UpdateTrail" }', True),
        ('{ $.eventType = "updatetrail" }', False),
        ("{ $.eventType = Update* }", True),
        ('{ $.eventType = "*Trail" }', True),
        ("{ $.eventType = *dateTr* }", True),
        ("{ $.eventType = Up*Trail }", False),  # a wildcard at the ends only
        ("{ $.eventType = * }", True),
        ("{ $.sourceIPAddress != 123.123.* }", True),
        ("{ $.sourceIPAddress != 111.111.* }", False),
        ('{ $.arrayKey[0] = "value" }', True),
        ("{ $.objectList[1].id = 2 }", True),
        ("{ $.objectList[2].id = 2 }", False),
        ("{ $.['cluster.name'] = \"c\" }", True),
        ("{ $['cluster.name'] = \"d\" }", False),
        ("{ $.['cluster.name'].id = 1 || $.['cluster name'] = \"c\" }", False),
        ("{ $.objectList[*].id = 2 }", True),
        ("{ $.SomeObject IS NULL }", True),
        ("{ $.eventType IS NULL }", False),
        ("{ $.SomeOtherObject IS NULL }", False),
        ("{ $.SomeOtherObject NOT EXISTS }", True),
        ("{ $.SomeObject NOT EXISTS }", False),
        ("{ $.ThisFlag IS TRUE }", True),
        ("{ $.ThisFlag IS FALSE }", False),
        ("{ $.latency >= 500 }", True),
        ("{ $.latency > +510.5 }", False),
        ("{ $.latency < 10e3 }", True),
        ("{ $.latency = 510.5 }", True),
        ("{ $.user.id != 1 }", False),
        ("{ $.arrayKey = 1 }", False),  # an array: neither equal
        ("{ $.arrayKey != 1 }", False),  # nor different
        ("{ $.eventType = %[Uu]pdate.+% }", True),
        ("{ $.eventType != %[Uu]pdate.+% }", False),
        ('{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }', True),
        ('{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }', False),
        (
            '{ $.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = nonmatch && $.actions[2] = nomatch }',
            True,
        ),
        (
            '{ ($.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = nonmatch) && $.actions[2] = nomatch }',
            False,
        ),
    ],
)
def test_json_pattern_matches_as_the_guide_says(pattern: str, matches: bool) -> None:
    assert (compile_pattern(pattern)(GUIDE_EVENT) is not None) is matches


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-json-log-events.html"
)
@pytest.mark.parametrize(
    "message", ["not JSON", "[1]", '{"a": 1', '"text"', "START RequestId: 1", "{" * 100_000]
)
def test_json_pattern_matches_no_event_that_is_no_json_object(message: str) -> None:
    assert compile_pattern("{ $.a NOT EXISTS }")(message) is None


@pytest.mark.aws(
    "the guide's numeric examples have numbers; text that looks like one is compared as text only"
)
def test_a_number_in_quotation_marks_has_no_order() -> None:
    assert compile_pattern("{ $.status >= 400 }")(GUIDE_EVENT) is None
    assert compile_pattern("{ $.status = 500 }")(GUIDE_EVENT) == {"$.status": "500"}


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TestMetricFilter.html"
)
def test_json_pattern_extracts_what_its_selectors_find() -> None:
    found = compile_pattern("{ $.latency > 1 && $.ThisFlag IS TRUE && $.none NOT EXISTS }")(GUIDE_EVENT)
    assert found == {"$.latency": "510.5", "$.ThisFlag": "true"}


APACHE = (
    '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 200 1534',
    '127.0.0.1 - frank [10/Oct/2000:13:35:22 -0700] "GET /apache_pb.gif HTTP/1.0" 500 5324',
    '10.0.0.1 - grace [10/Oct/2000:13:50:35 -0700] "GET /index.html HTTP/1.0" 404 900',
    "two fields",
)


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-space-delimited.html"
)
@pytest.mark.parametrize(
    ("pattern", "lines"),
    [
        ("[ip, user, username, timestamp, request, status_code, bytes]", [1, 2, 3]),
        ("[ip, user, username, timestamp, request, status_code, bytes > 1000]", [1, 2]),
        ("[ip, user, username, timestamp, request, status_code = 4*, bytes]", [3]),
        ("[ip, user, username, timestamp, request = *html*, status_code = 200, bytes]", [1]),
        ("[ip, user, username, timestamp, request, status_code = 4* && bytes > 1000]", []),
        ("[ip, user, username, timestamp, request, status_code = 200 || status_code = 404, bytes]", [1, 3]),
        ("[ip, user, username, timestamp, request, status_code = [45]*, bytes]", []),
        ("[..., status_code, bytes >= 1534]", [1, 2]),
        ('[ip = "127.0.0.1", ...]', [1, 2]),
        (r"[ip = %127\.0\.0\.[1-9]%, ...]", [1, 2]),
        ("[w1, w2]", [4]),
        ("[w1=two, w2]", [4]),
        ("[w1!=two, w2]", []),
    ],
)
def test_space_delimited_pattern_matches_as_the_guide_says(pattern: str, lines: list[int]) -> None:
    assert matched(pattern, APACHE) == lines


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-space-delimited.html"
)
def test_space_delimited_pattern_extracts_by_name_and_by_position() -> None:
    assert compile_pattern("[..., request=*.html*, status_code=4*,]")(APACHE[2]) == {
        "$1": "10.0.0.1",
        "$2": "-",
        "$3": "grace",
        "$4": "10/Oct/2000:13:50:35 -0700",
        "$request": "GET /index.html HTTP/1.0",
        "$status_code": "404",
        "$7": "900",
    }


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/regex-expressions.html")
@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("%AUTHORIZED%", "[ERROR 401] UNAUTHORIZED REQUEST", True),
        ("%^AUTHORIZED%", "[ERROR 401] UNAUTHORIZED REQUEST", False),
        ("%colou?r%", "a color", True),
        ("%a{3,5}%", "xaax", False),
        (r"%\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}%", "from 10.20.30.40 on", True),
        ("%[Ee]rror|[Ff]ail%", "it Fails", True),
        (r"%10\.10\.0\.1%", "10.10x0.1", False),
    ],
)
def test_regular_expression_matches_as_the_guide_says(pattern: str, text: str, matches: bool) -> None:
    assert (compile_pattern(pattern)(text) is not None) is matches


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/regex-expressions.html")
@pytest.mark.parametrize(
    "pattern", ["%something!%", "%(a)%", "%a b%", "%[a%", "{ $.a = %a% || $.b = %b% || $.c = %c% }"]
)
def test_unsupported_regular_expression_is_invalid(pattern: str) -> None:
    with pytest.raises(InvalidPattern):
        compile_pattern(pattern)


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-json-log-events.html"
)
@pytest.mark.parametrize(
    "pattern",
    [
        "{",
        "{}",
        "{ $.a }",
        "{ $.a = }",
        "{ a = 1 }",
        "{ $.a = 1 || }",
        "{ ($.a = 1 }",
        "{ $.a > text }",
        "[a",
        "[..., ...]",
    ],
)
def test_incomplete_pattern_is_invalid(pattern: str) -> None:
    with pytest.raises(InvalidPattern):
        compile_pattern(pattern)


def test_deeply_nested_pattern_is_invalid() -> None:
    def matches(depth: int) -> bool:
        pattern = f"{{ {'(' * depth}$.a = 1{')' * depth} && {'(' * depth}$.b = 1{')' * depth} }}"
        return compile_pattern(pattern)('{"a": 1, "b": 1}') is not None

    assert matches(MAX_DEPTH)
    for depth in (MAX_DEPTH + 1, 500):
        with pytest.raises(InvalidPattern, match="does not read more than 50 nested parentheses"):
            compile_pattern(f"{{ {'(' * depth}$.a = 1{')' * depth} }}")


@given(st.text(alphabet=' {}[]()$.?-%"\\=!<>&|*,aA1', max_size=30), st.text(max_size=30))
def test_any_text_is_a_pattern_that_matches_or_is_invalid(pattern: str, message: str) -> None:
    try:
        found = compile_pattern(pattern)(message)
    except InvalidPattern:
        return
    assert found is None or isinstance(found, dict)


WORDS = st.text(alphabet="abAB_1", min_size=1, max_size=4)


@given(st.lists(WORDS, min_size=1, max_size=4), st.lists(WORDS, min_size=1, max_size=4))
def test_terms_are_required_all_or_any_by_their_mark(terms: list[str], words: list[str]) -> None:
    message = " ".join(words)
    present = [term in message for term in terms]
    assert (compile_pattern(" ".join(terms))(message) is not None) == all(present)
    assert (compile_pattern(" ".join(f"?{term}" for term in terms))(message) is not None) == any(present)
    assert (compile_pattern(" ".join(f"-{term}" for term in terms))(message) is not None) == (
        not any(present)
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.sampled_from("abc"), children, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3),
    st.sampled_from(["$.a", "$.a.b", "$.a[0]", "$.*"]),
)
def test_not_exists_is_the_opposite_of_finding_a_value(event: dict[str, object], selector: str) -> None:
    missing = compile_pattern(f"{{ {selector} NOT EXISTS }}")(json.dumps(event)) is not None
    assert missing == (not values_at(event, selector))
