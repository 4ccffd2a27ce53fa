"""What a broadcast sends: JSON is checked, wrapped and given an id; what the user wrote stays as it was written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.broadcast.message import compose, with_field
from whatschat_ops.errors import UsageError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=4)


def sent(given_text: str, new_id: str | None = "run-1", **options: Any) -> str:
    return compose(given_text, new_id, **options).data.decode()


def test_an_object_gets_the_run_as_its_id() -> None:
    message = compose('{"type":"notice"}', "run-1")

    assert message.data == b'{"type":"notice","id":"run-1"}'
    assert (message.message_id, message.size_bytes, message.metered) == ("run-1", 30, 1)


@pytest.mark.parametrize(("own", "known"), [('"m-7"', "m-7"), ("7", "7")])
def test_an_id_that_is_there_stays(own: str, known: str) -> None:
    text = f'{{"type":"notice","id":{own}}}'

    message = compose(text, "run-1")

    assert message.data.decode() == text
    assert message.message_id == known


def test_without_an_id_the_text_is_sent_as_it_is() -> None:
    message = compose('{ "type" : "notice" }', None)

    assert message.data == b'{ "type" : "notice" }'
    assert message.message_id == ""


@given(OBJECTS, st.sampled_from([None, 2]))
def test_an_added_field_is_the_only_change(value: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(value, indent=indent)

    assert json.loads(with_field(text, "new\n", "x")) == {**value, "new\n": "x"}


@given(OBJECTS.filter(lambda value: "type" not in value), st.text(min_size=1, max_size=64).filter(str.strip))
def test_a_type_is_put_before_the_fields_of_an_object(value: dict[str, Any], kind: str) -> None:
    body = json.loads(sent(json.dumps(value, indent=1), kind=kind))

    assert body == {"type": kind, "id": "run-1", **value}
    assert next(iter(body)) == "type"


@given(st.text(min_size=1).filter(lambda text: text.strip() and text.lstrip()[0] not in "[{"))
def test_a_text_with_a_type_becomes_its_content(text: str) -> None:
    assert json.loads(sent(text, kind="notice")) == {"type": "notice", "content": text, "id": "run-1"}


def test_numbers_and_spaces_are_sent_as_they_were_written() -> None:
    assert sent('{"type":"n", "x":1.50e3,\n "y":12345678901234567890123}\n ', None).endswith(
        '"x":1.50e3,\n "y":12345678901234567890123}\n '
    )
    assert '"x":1.50e3' in sent('{"x":1.50e3}', kind="n")


def test_text_is_sent_as_it_is_when_that_is_meant() -> None:
    assert sent("Hello", text=True) == "Hello"
    assert compose("Hello", "run-1", text=True).message_id == ""
    assert json.loads(sent('{"a":1}', text=True, kind="n"))["content"] == '{"a":1}'


@pytest.mark.parametrize(
    ("text", "options", "why"),
    [
        ("Hello", {}, r"not JSON \(line 1, column 1"),
        ('{"type":"notice"\n "text":1}', {}, r"line 2, column 2"),
        ('{"type":', {"kind": "n"}, r"line 1, column 9"),
        ('{"a":NaN}', {}, "NaN is not JSON"),
        ("[" * 100_000, {}, "nested too deeply"),
        ("[1]", {}, "not an object"),
        ("[1]", {"kind": "n"}, "not an object"),
        ('"Hello"', {}, "not an object"),
        ('{"type":"a"}', {"kind": "b"}, "has a type already"),
        ("Hello", {"kind": ""}, "1 to 64"),
        ("Hello", {"kind": "n" * 65}, "1 to 64"),
        (" \n", {}, "empty"),
        ("", {"text": True}, "empty"),
        ("\udcff", {"text": True}, "not UTF-8"),
        ("é" * 65_537, {"text": True}, "131,074 bytes"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_reason(text: str, options: Any, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        compose(text, "run-1", **options)


def test_the_size_counts_the_id() -> None:
    room = 128 * 1024 - len('{"type":"n","id":"run-1"}') - len(',"x":""')
    compose(f'{{"type":"n","x":"{"x" * room}"}}', "run-1")

    with pytest.raises(UsageError, match="131,073 bytes"):
        compose(f'{{"type":"n","x":"{"x" * (room + 1)}"}}', "run-1")


def test_an_object_without_a_type_is_sent_with_a_warning() -> None:
    assert "no type" in compose('{"text":"Hello"}', "run-1").warnings[0]
    assert compose('{"text":"Hello"}', "run-1", kind="notice").warnings == ()


@pytest.mark.parametrize(("size_bytes", "metered"), [(1, 1), (32_768, 1), (32_769, 2), (131_072, 4)])
def test_a_message_is_metered_by_32_kb(size_bytes: int, metered: int) -> None:
    assert compose("x" * size_bytes, None, text=True).metered == metered
