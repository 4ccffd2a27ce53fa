"""Files as people have them, and as nobody should: mutations of valid ones, with the command lines that read them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from tests.fuzz import values
from tests.fuzz.lines import Line


@dataclass(frozen=True)
class Kind:
    """A kind of file: its name in the directory of a run, valid contents, and who reads it."""

    name: str
    seeds: tuple[bytes, ...]
    lines: tuple[tuple[str, ...], ...]


SETTINGS: Final = b"""\
environment: local
stack: whatschat
lambda:
  memory_mb: 256
  log_level: INFO
  environment:
    TABLE: x
    SECRET: {parameter: /x/y}
auth:
  token_ttl_minutes: 15
websocket:
  stage: production
  throttling_rate_limit: 10_000
connections:
  deletion_protection: true
"""
USAGE: Final = b"users: 1000\nmessages: 10M\nhours_per_day: 8\ndays: 30\nmessage_kb: 2\n"
USERS: Final = b"# team A\nalice\nbob # the other\nuser#1\n\ncarol\r\n"
DOTENV: Final = b"# backend\nJWT_SECRET='abc'\nAWS_REGION=us-east-1\nexport WS_ENDPOINT=\"wss://x/production\"\nEMPTY=\nA=$B\n"
MESSAGE: Final = b'{"type": "message:send", "recipients": ["bob"], "content": "Hello", "id": 5}'
AWS_CONFIG: Final = b"""\
[default]
region = us-east-1
[profile x]
region = eu-west-1
credential_process = /bin/false
[profile sso]
sso_session = s
sso_account_id = 123456789012
sso_role_name = r
[sso-session s]
sso_region = us-east-1
sso_start_url = https://h.example/start
[profile role]
role_arn = arn:aws:iam::123456789012:role/x
source_profile = default
"""
AWS_CREDENTIALS: Final = b"[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = abc\n[x]\naws_session_token = y\n"
SERVICE: Final = b'{"pid": 1, "created": 1.5, "port": 4566}'

KINDS: Final[Mapping[str, Kind]] = {
    "settings": Kind(
        "s.yaml",
        (SETTINGS,),
        (
            ("config", "show"),
            ("config", "validate"),
            ("config", "show", "--json"),
            ("iam", "policies", "--account-id", "1" * 12),
        ),
    ),
    "usage": Kind(
        "u.yaml",
        (USAGE, json.dumps(yaml.safe_load(USAGE)).encode()),
        (("cost", "estimate", "--usage", "u.yaml"),) * 2,
    ),
    "rates": Kind(
        "r.yaml",
        (),
        (
            ("cost", "rates", "show", "--rates", "r.yaml"),
            ("cost", "estimate", "--users", "5", "--rates", "r.yaml"),
        ),
    ),
    "users": Kind(
        "users",
        (USERS,),
        (
            ("ws", "broadcast", "--type", "x", "y", "--users-file", "users", "--dry-run"),
            ("chime", "attendee", "create", "m", "--users-file", "users"),
        ),
    ),
    "dotenv": Kind(
        ".env",
        (DOTENV,),
        (("env", "check", ".env"), ("env", "render", "backend", "-o", ".env", "--show-secrets")),
    ),
    "message": Kind(
        "m.json",
        (MESSAGE,),
        (
            ("ws", "broadcast", "--file", "m.json", "--dry-run"),
            ("ws", "broadcast", "--type", "notice", "--file", "m.json", "--dry-run", "--json"),
            ("ws", "send", "--connection", "UExBTlRFRA==", "--file", "m.json"),
        ),
    ),
    "event": Kind("e.json", (MESSAGE,), (("lambda", "invoke", "default", "--payload", "@e.json"),)),
    "plan": Kind("p.json", (), (("provision", "p.json"), ("provision", "p.json", "--json"))),
    "journal": Kind(
        "",
        (),
        (
            ("ws", "broadcasts", "list"),
            ("ws", "broadcasts", "list", "--json"),
            ("ws", "broadcasts", "show", "latest"),
            ("ws", "broadcasts", "show", "latest", "--failures", "--json"),
            ("ws", "broadcasts", "delete", "latest", "--yes"),
            ("ws", "broadcast", "--resume", "latest", "--yes"),
        ),
    ),
    "state": Kind(
        "",
        (SERVICE,),
        (("local", "status"), ("local", "logs"), ("config", "show"), ("local", "status", "--json")),
    ),
    "aws config": Kind(
        "aws-config",
        (AWS_CONFIG,),
        (
            ("status",),
            ("status", "--profile", "x"),
            ("ws", "endpoint", "--profile", "role"),
            ("token", "mint", "--user", "a", "--profile", "sso"),
        ),
    ),
    "aws credentials": Kind(
        "aws-credentials", (AWS_CREDENTIALS,), (("status",), ("ws", "endpoint", "--profile", "x"))
    ),
}
STATE_FILES: Final = ("service.json", "port", "credentials.json", "service.log", "service.lock")
BYTES: Final = (
    *(
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\r",
        b"\t",
        b"\n\n",
        b"\x1b[0m",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x98\x80",
        b": ",
        b"- ",
        b"#",
    ),
    *(
        b"!!python/object:os.system x",
        b"!!binary AA=",
        b"!!timestamp 1",
        b"!x",
        b"&a ",
        b"*a",
        b"<<: ",
        b"? ",
        b"|\n",
        b"%YAML 9",
    ),
    *(
        b"'",
        b'"',
        b"{",
        b"[",
        b"}",
        b"0512",
        b"1:30",
        b"0x1F",
        b".inf",
        b".nan",
        b"1e999",
        b"9" * 5000,
        b"2026-11-28",
        b"~",
        b"yes",
    ),
    *(
        b"[" * 3000,
        b"{a: " * 2000,
        b"- " * 2000,
        b"k: 1\n" * 2000,
        b"x" * 70_000,
        b"\n---\n",
        b"\n...\n",
        b"=",
        b"$",
        b"\\",
        b"\xc2\x85",
    ),
)
THINGS: Final[tuple[Any, ...]] = (
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    "",
    "x",
    "x" * 3000,
    [],
    {},
    [[]],
    {"a": None},
    "\x00",
    "😀",
)


def file_line(random_: random.Random, kind_name: str, valid: Mapping[str, Mapping[str, bytes]]) -> Line:
    """A command line with a mutated file. `valid`: of the kinds plan, journal and rates, files that the program made."""
    kind = KINDS[kind_name]
    seeds = {kind.name: random_.choice(kind.seeds)} if kind.seeds else dict(valid[kind_name])
    if kind_name == "state":
        seeds = {f"state/local/{random_.choice(STATE_FILES)}": random_.choice(kind.seeds)}
    victim = random_.choice(sorted(seeds))
    files = {**seeds, victim: mutated(random_, seeds[victim])}
    arguments = random_.choice(kind.lines)
    if kind_name == "settings":
        arguments = ("--config", "s.yaml", *arguments)
    return Line(arguments, files=files)


def mutated(random_: random.Random, content: bytes) -> bytes:
    """The file with a few of its bytes, lines or values changed."""
    if random_.random() < 0.4:
        content = _structural(random_, content)
    for _ in range(random_.choice((0, 1, 1, 2, 4))):
        content = _textual(random_, content)
    return content


def _textual(random_: random.Random, content: bytes) -> bytes:
    at, to = sorted((random_.randint(0, len(content)), random_.randint(0, len(content))))
    to = min(to, at + random_.choice((1, 4, 40, 4000)))
    lines = content.split(b"\n")
    changes: tuple[Callable[[], bytes], ...] = (
        lambda: content[:at],
        lambda: content[at:],
        lambda: content[:at] + content[to:],
        lambda: content[:to] + content[at:],
        lambda: content[:at] + random_.choice(BYTES) + content[at:],
        lambda: content[:at] + random_.choice(BYTES) + content[to:],
        lambda: content[:at] + bytes([random_.randrange(256)]) + content[at + 1 :],
        lambda: b"\n".join(random_.sample(lines, len(lines))),
        lambda: content.replace(b"\n", random_.choice((b"\r", b"\r\n", b"", b"\n\n", b"\x00"))),
        lambda: content.replace(b": ", random_.choice((b":", b" : ", b": - ", b": {", b": !!str "))),
        lambda: content.decode("utf-8", "replace").encode(
            random_.choice(("utf-16", "utf-32", "utf-8-sig", "utf-7"))
        ),
        lambda: random_.choice(values.DOCUMENTS).encode("utf-8", "replace"),
        lambda: b"",
    )
    return random_.choice(changes)()


def _structural(random_: random.Random, content: bytes) -> bytes:
    """The document with one of its values replaced by another thing, deleted or doubled; as it is if it is none."""
    try:
        document = json.loads(content)
        write: Callable[[Any], bytes] = lambda it: json.dumps(it).encode()  # noqa: E731
    except ValueError:
        try:
            document = yaml.safe_load(content)
        except (yaml.YAMLError, ValueError):
            return content
        write = lambda it: yaml.safe_dump(it).encode()  # noqa: E731
    if not isinstance(document, (dict, list)):
        return content
    node: Any = document
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return write(document)
        key = random_.choice(keys)
        if isinstance(node[key], (dict, list)) and node[key] and random_.random() < 0.7:
            node = node[key]
            continue
        break
    if random_.random() < 0.2:
        del node[key]
    elif random_.random() < 0.2 and isinstance(node, dict):
        node[random_.choice(("unknown", "", "a.b", "😀", "x" * 500))] = random_.choice(THINGS)
    else:
        node[key] = random_.choice(THINGS)
    return write(document)
