"""Values for options and arguments: plausible, nearly right, and hostile."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Mapping
from typing import Final

JWT: Final = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJ1In0.c2lnbmF0dXJl"
NUMBERS: Final = (
    *(
        "0",
        "1",
        "-1",
        "-0",
        "2",
        "3.5",
        "1e3",
        "1e999",
        "-1e999",
        "nan",
        "inf",
        "-inf",
        "1_000",
        "0x10",
        "0o7",
        "٣",
        "½",
    ),
    *(
        "9223372036854775808",
        "9" * 30,
        "9" * 5000,
        "1e-400",
        "1.",
        ".5",
        "1,5",
        "10M",
        "2G",
        "5%",
        "100%",
        "101%",
        " 1 ",
    ),
    *("0.1", "1e308", "99999999999999999999.9", "+1", "--1", "1 000", "1e", "e1", "0" * 400 + "1"),
)
TEXTS: Final = (
    *(
        "",
        " ",
        "\n",
        "\t",
        "x",
        "-",
        "--",
        "@",
        "@nothing",
        "@.",
        "~",
        ".",
        "..",
        "/",
        "null",
        "None",
        "true",
        "a b",
        "%s %d",
    ),
    *(
        "{0}",
        "${HOME}",
        "$(id)",
        "`id`",
        "a;b",
        "a|b",
        "'",
        '"',
        "\\",
        "[red]x[/red]",
        "[/]",
        "[link=",
        "\x1b[31mred",
        "\x07\x08",
    ),
    *(
        "é",
        "e\u0301",
        "日本語",
        "😀",
        "👩‍👩‍👧",
        "\u202eabc",
        "\u2028",
        "\ufeff",
        "\udced\udca0\udc80",
        "\udcff",
        "a\x00b",
        "\x00",
        "\x7f",
        "İ",
        "ß",
    ),
    *(
        "a" * 256,
        "a" * 1025,
        "x" * 5000,
        "😀" * 2000,
        "a/" * 300,
        "{" * 600,
        "[" * 20000,
        "(" * 99,
        "%" * 50,
        "\r\n",
        "x\ry",
    ),
)
PATHS: Final = (
    *(
        "missing",
        "missing/deep",
        "folder",
        "folder/",
        "file.txt",
        "file.txt/x",
        "loop",
        "dangling",
        "binary",
        "empty",
        "bom.json",
    ),
    *(
        "/dev/null",
        "/dev/full",
        "/dev/zero/x",
        "/proc/self/mem",
        "/",
        "/etc",
        "/etc/passwd",
        "/nonexistent/x",
        "n" * 300,
        "d/" * 2100,
    ),
    *(
        "settings.yaml",
        "usage.yaml",
        "users.txt",
        "message.json",
        "plan.json",
        "folder.yaml",
        "deep.json",
        "latin.txt",
        "late",
    ),
)
DOCUMENTS: Final = (
    *(
        "{}",
        "[]",
        "null",
        "1",
        '"x"',
        "{",
        '{"a":',
        '{"a":1,"a":2}',
        "[1,",
        "NaN",
        "Infinity",
        "-",
        "1e999",
        '{"type":5}',
    ),
    *(
        '{"type":"message:send","recipients":["bob"],"content":"Hello"}',
        '{"type":"ping"}',
        '"\\ud800"',
        '{"\\u0000":1}',
    ),
    *("[" * 2000, '{"a":' * 2000, "1" * 5000, '{"x":' + "9" * 5000 + "}", '"' + "x" * 140_000 + '"'),
)
ARNS: Final = (
    *(
        "arn:aws:iam::123456789012:role/x",
        "arn:aws:iam::000000000000:user/x",
        "arn:aws:lambda:us-east-1:1:function:x:1",
    ),
    *(
        "arn:",
        "arn::::::",
        "arn:aws-cn:iam::1:role/x",
        "arn:aws:chime::123456789012:meeting/x",
        "arn:aws:iam:::role/",
        "x:y",
    ),
)
URLS: Final = (
    *(
        "wss://h.example/production",
        "ws://127.0.0.1:9/x",
        "http://127.0.0.1:1/",
        "https://x.execute-api.us-east-1.amazonaws.com/p",
    ),
    *(
        "wss://",
        "://",
        "wss://[::1",
        "wss://[::1]:99999/",
        "ws://user:pass@127.0.0.1:9/x?token=y",
        "ftp://x",
        "wss://xn--a/",
        "//x",
    ),
    *(
        "ws://127.0.0.1:0/",
        "wss://é.example/",
        "wss://a..b/",
        "wss://" + "a" * 300,
        "ws://127.0.0.1:port/",
        "ws:///x",
        "h.example",
    ),
)
DURATIONS: Final = (
    "0",
    "0s",
    "1s",
    "30m",
    "24h",
    "7d",
    "-1s",
    "1w",
    "999999d",
    "9999999d",
    "1.5h",
    "h",
    "24 h",
    "24H",
    "٢h",
)
IDS: Final = (
    "L0SM9cOFvHcCIhw=",
    "UExBTlRFRA==",
    "-dash",
    "--",
    "latest",
    "0",
    "call-alice-1766000000000",
    "a/b",
    "../..",
    "..",
    JWT,
)

_BY_WORD: Final[Mapping[str, tuple[str, ...]]] = {
    "url": URLS,
    "endpoint": URLS,
    "duration": DURATIONS,
    "json": DOCUMENTS,
    "payload": (*DOCUMENTS, "@message.json", "@folder", "@missing", "@/dev/full", "@-"),
    "message": (*DOCUMENTS, "Hello"),
    "token": (JWT, "a.b.c", "eyJ.eyJ.", "..", JWT * 9, JWT[:-1], "-"),
    "user": ("alice", "bob", "user#1", "a" * 64, JWT),
    "claim": (
        "role=admin",
        "=x",
        "x=",
        "x",
        'a={"b":1}',
        "exp=x",
        "exp=1e999",
        "exp=" + "9" * 400,
        "userId=",
        "iat=null",
        "nbf=[]",
    ),
    "role": (*ARNS, "planted"),
    "group": ARNS,
    "function": ("connect", "disconnect", "default", "nothing", "fuzz-websocket-connect", *ARNS),
    "version": ("1", "2", "$LATEST", "-1", "999999"),
    "id": IDS,
    "run": IDS,
    "meeting": IDS,
    "attendee": IDS,
    "region": (
        "us-east-1",
        "eu-west-1",
        "cn-north-1",
        "us-iso-east-1",
        "xx-nowhere-1",
        "US-EAST-1",
        "us-east-1/",
        "us east",
    ),
    "sample": ("1", "5%", "0", "0%", "101%", "-1", "x%", "%", "1e3"),
    "tolerate": ("1", "5%", "0", "100%", "101%", "-1", "x%", "%"),
    "account": ("123456789012", "000000000000", "1", "x" * 12, "-"),
    "bucket": ("my-bucket", "A", "a" * 64, "a..b", "s3://x", "1.2.3.4"),
}


def number(random_: random.Random) -> str:
    """A number, or what somebody takes for one."""
    return random_.choice((*NUMBERS, str(random_.randint(-10, 10 ** random_.randint(1, 20)))))


def text(random_: random.Random, words: str) -> str:
    """A text for a parameter whose names are `words`: plausible, nearly right, or hostile."""
    fitting = [value for word, values in _BY_WORD.items() if word in words for value in values]
    choice = random_.random()
    if fitting and choice < 0.6:
        return random_.choice(fitting)
    if fitting and choice < 0.8:
        return mutated(random_, random_.choice(fitting))
    return random_.choice((*TEXTS, *NUMBERS, *ARNS, *URLS, *PATHS))


def path(random_: random.Random) -> str:
    """A path in the directory of a run, or a strange one."""
    return random_.choice(PATHS) if random_.random() < 0.9 else random_.choice(TEXTS)


def mutated(random_: random.Random, value: str) -> str:
    """The value with one to three characters deleted, doubled, replaced or inserted."""
    for _ in range(random_.randint(1, 3)):
        at = random_.randint(0, len(value))
        change: Callable[[], str] = random_.choice(
            (
                lambda at=at, value=value: value[:at] + value[at + 1 :],
                lambda at=at, value=value: value[:at] + value[at : at + 2] * 2 + value[at + 2 :],
                lambda at=at, value=value: value[:at] + random_.choice(string.printable) + value[at + 1 :],
                lambda at=at, value=value: value[:at] + random_.choice(TEXTS)[:40] + value[at:],
            )
        )
        value = change()
    return value
