"""YAML as people write it: numbers that YAML 1.1 reads otherwise, and what no settings file should hold.

What YAML 1.1 makes of a plain text: yaml.org/type/int.html (0512 is 330, 1:30 is 90, 0b11 is 3), float.html, bool.html.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from whatschat_ops.config.loading import load_settings
from whatschat_ops.config.settings import Settings
from whatschat_ops.config.yaml_file import MAXIMUM_VALUES, read_yaml
from whatschat_ops.cost.usage import load_usage
from whatschat_ops.errors import ConfigError

NOT_A_NUMBER = (
    "0512", "-0512", "007", "0x200", "0b1000", "0o1000", "8:32", "190:20:30", "51_2", "5__12", "+512", ".5", "512.", ".inf",
    "-.inf", ".nan", "inf", "nan", "yes", "no", "on", "off", "true", "512M", "1G", "2026-01-01", "512 MB", "~ 512", "5٥",
    "٥١٢", "1e400x", "1e400", "1e999999999",
)  # fmt: skip


def settings_of(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "local.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path=path, environ={}).settings


@pytest.mark.parametrize("written", NOT_A_NUMBER)
@pytest.mark.parametrize("key", ["lambda: {memory_mb", "websocket: {throttling_rate_limit", "local: {port"])
def test_number_that_readers_understand_differently_is_refused_as_it_was_written(
    tmp_path: Path, key: str, written: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        settings_of(tmp_path, f"{key}: {written}}}\n")

    assert written in caught.value.message
    assert "local.yaml:1: " in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("written", NOT_A_NUMBER)
@pytest.mark.parametrize("key", ["lambda: {memory_mb", "logs: {stored_gb", "websocket: {days"])
def test_usage_that_readers_understand_differently_is_refused_as_it_was_written(
    tmp_path: Path, key: str, written: str
) -> None:
    path = tmp_path / "usage.yaml"
    path.write_text(f"{key}: {written}}}\n", encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load_usage(path, {})

    assert written in caught.value.message


@pytest.mark.parametrize(
    ("written", "read"),
    [("512", 512), ("1_024", 1024), ("1e3", 1000), ("'512'", 512), ('"1024"', 1024), ("!!int 512", 512)],
)
def test_number_that_all_readers_understand_alike_is_read(tmp_path: Path, written: str, read: int) -> None:
    settings = settings_of(tmp_path, f"lambda: {{memory_mb: {written}}}\n")

    assert settings.lambda_.memory_mb == read


@pytest.mark.parametrize(
    ("flag", "key", "value"),
    [
        ("--data-out-gb", "data_transfer.out_gb", "2G"),
        ("--data-out-gb", "data_transfer.out_gb", "1.5k"),
        ("--message-kb", "websocket.message_size_kb", "1k"),
        ("--lambda-memory-mb", "lambda.memory_mb", "1M"),
        ("--lambda-ms", "lambda.duration_ms", "1m"),
        ("--audio-minutes", "chime.audio_attendee_minutes", "90m"),
        ("--hours-per-day", "websocket.hours_per_day", "0.001K"),
    ],
)
def test_multiplier_on_an_amount_with_a_unit_is_refused(flag: str, key: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_usage(None, {key: (flag, value)})

    assert f"flag {flag}: {key}: is in " in caught.value.message
    assert repr(value) in caught.value.message


@pytest.mark.parametrize(
    ("word", "meant"),
    [("yes", True), ("no", False), ("ON", True), ("Off", False), ("true", True), ("y", True), ("n", False)],
)
def test_word_of_yaml_11_is_a_boolean_where_one_is_expected_and_itself_elsewhere(
    tmp_path: Path, word: str, meant: bool
) -> None:
    settings = settings_of(
        tmp_path, f"connections: {{deletion_protection: {word}}}\naws: {{profile: {word}}}\n"
    )

    assert settings.connections.deletion_protection is meant
    assert settings.aws.profile == word


@pytest.mark.parametrize(
    "written", ["0512", "1.10", "2026-01-01", "12:30:45", "1_000", "0x10", "1e3", "=", "<<"]
)
def test_text_without_quotes_is_the_text_that_was_written(tmp_path: Path, written: str) -> None:
    assert settings_of(tmp_path, f"aws: {{profile: {written}}}\n").aws.profile == written


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('stack: "\\0"\n', "is not allowed in a text"),
        ("stack: a\0b\n", "not valid YAML"),
        ("stack: !mine x\n", "the tag !mine is not allowed"),
        ("stack: !!binary aGVsbG8=\n", "binary is not allowed"),
        ("aws: !!python/object:os.system {}\n", "os.system is not allowed"),
        ("aws: !!set {region}\n", "set is not allowed"),
        ("lambda: {policy_statements: [{sid: a, sid: b}]}\n", "sid is given twice"),
        ("aws: &a {region: us-east-1}\nchime: {<<: *a}\n", "unknown key"),
        ("aws: &a {b: *a}\n", "nested too deeply"),
        ("aws: &a [*a]\n", "nested too deeply"),
        ("a: " + "[" * 100_000, "nest"),
        ("a: \n" + "- " * 50_000 + "x", "nest"),
    ],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_what_no_settings_file_holds_is_refused_with_file_and_hint(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        settings_of(tmp_path, text)

    assert "local.yaml" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("opening", ["[", "{a: 1, b: 2, c: "])
def test_aliases_of_aliases_are_refused_before_they_are_followed(tmp_path: Path, opening: str) -> None:
    closing = {"[": "]", "{": "}"}[opening[0]]
    inner = ", ".join(["{}"] * 9) if opening == "[" else "{}, d: {}, e: {}, f: {}, g: {}, h: {}, i: {}"
    lines = [f"k0: &k0 {opening}1{closing}"]
    lines += [
        f"k{number}: &k{number} {opening}{inner.replace('{}', f'*k{number - 1}')}{closing}"
        for number in range(1, 8)
    ]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(lines))

    with pytest.raises(ConfigError, match=f"more than {MAXIMUM_VALUES:,} values"):
        read_yaml(path)


def test_twenty_thousand_unknown_keys_are_named_in_part(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        settings_of(tmp_path, "".join(f"key{number}: x\n" for number in range(20_000)))

    lines = caught.value.message.splitlines()
    assert "local.yaml:1: key0: unknown key." in lines[0]
    assert "local.yaml:20: key19: unknown key." in lines[19]
    assert lines[20:] == ["There may be more."]


def test_byte_order_mark_before_settings_and_usage_is_not_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "local.yaml"
    path.write_bytes(b"\xef\xbb\xbfstack: mine\n")
    usage = tmp_path / "usage.yaml"
    usage.write_bytes(b"\xef\xbb\xbfwebsocket: {messages: 10M}\n")

    assert load_settings(path=path, environ={}).settings.stack == "mine"
    assert load_usage(usage, {}).websocket.messages == 10_000_000


def test_settings_through_a_pipe_are_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    writing = threading.Thread(target=pipe.write_text, args=("stack: mine\n",))
    writing.start()

    assert load_settings(path=pipe, environ={}).settings.stack == "mine"
    writing.join(60)


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("/dev/zero", "has more than 4,194,304 bytes"),
        ("/dev", "Is a directory"),
        ("/dev/null/x", "There is no"),
    ],
)
def test_special_file_as_settings_is_refused_in_words(place: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        load_settings(path=Path(place), environ={})

    assert "--config" in str(caught.value.hint)
