"""Hides secrets in tables, JSON, errors and logs.

A value that is a secret (a join token, the JWT secret) is a `Secret` from where it is created or read. What comes from
elsewhere is a secret by its shape (a JWT, a private key) or by the name in front of it (`JWT_SECRET=...`): `redact` replaces it
in a text, and `cli/terminal/redacting.py` in everything that a command shows.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

REDACTED: Final = "********"

_SHAPES: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    # A JWT (or JWE): base64url parts, the first of which starts with {" (eyJ), or has white space after the brace.
    (
        re.compile(
            r"(?:eyJ|(?<![A-Za-z0-9_-])(?:ey[A-DI-L]|ew[0-3k-r]))[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)*"
        ),
        REDACTED,
    ),
    # A private key in PEM (RFC 7468), also with its line ends escaped, or cut.
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
        REDACTED,
    ),
    # A secret access key of AWS: 40 characters of base64 with letters of both cases and digits, which no digest in hexadecimal has.
    (
        re.compile(
            r"(?<![A-Za-z0-9+/=_-])(?=[a-z0-9+/]*[A-Z])(?=[A-Z0-9+/]*[a-z])(?=[A-Za-z+/]*[0-9])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=_-])"
        ),
        REDACTED,
    ),
    # Keys that begin with their issuer's mark: GitHub, Slack, Stripe, GitLab, npm, Google, Anthropic, OpenAI; SendGrid; session tokens of AWS.
    (
        re.compile(
            r"\b(?:gh[opusr]_|github_pat_|xox[abeoprs]-|[rs]k_(?:live|test)_|whsec_|glpat-|npm_|AIza|sk-(?:ant|proj|svcacct)-)[A-Za-z0-9_-]{16,}"
            r"|\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|\b(?:FwoG|FQoG|IQoJ)[A-Za-z0-9+/=]{40,}"
        ),
        REDACTED,
    ),
    (
        re.compile(r"(?i)([?&](?:token|access_token|X-Amz-Security-Token|X-Amz-Signature)=)[^&\s\"']+"),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"(?i)(Bearer\s+)[A-Za-z0-9._~+/=-]+"), rf"\1{REDACTED}"),
    (
        re.compile(r"(?i)(authorization\\*[\"']?[ \t]*[:=][ \t]*\\*[\"']?(?:Basic|Token)[ \t]+)[^\s\"']+"),
        rf"\1{REDACTED}",
    ),
    # A password in a URL: up to the last @ of the authority, also without a user (Redis).
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?:@[^/\s@\"',]+)*(?=@)"), rf"\1{REDACTED}"),
)

_SHORTEST_WORD: Final = 20
"""Of what is a secret by its shape, letters and digits only: a key of Google. Most values of a log line are shorter."""

_NAMED: Final = re.compile(
    r"""(?<![A-Za-z0-9_.])(?P<name>[A-Za-z_][A-Za-z0-9_.-]{0,127}+)(?P<end>\\*["']?)(?P<equals>[ \t]*[=:][ \t]*)"""
)
_VALUE: Final = re.compile(
    r"""(?P<quote>\\*["'])?(?P<value>(?(quote)(?:(?!(?P=quote))[^\n])*|[^\s"',}&;]+))"""
)
"""`NAME=value`, `name: "value"`, `{"name": "value"}`, also inside of JSON that is a string of JSON."""

_SECRET_WORDS: Final = ("secret", "token", "password", "passwd", "passphrase", "credential")
_SECRET_ENDS: Final = (*_SECRET_WORDS, "apikey", "secretkey", "privatekey", "accesskey")
"""Also as the end of a longer word: PGPASSWORD."""
_OPEN_KEYS: Final = frozenset(
    [
        "public",
        "route",
        "partition",
        "sort",
        "hash",
        "range",
        "primary",
        "foreign",
        "table",
        "object",
        "s3",
        "tag",
        "cache",
        "attribute",
        "item",
        "row",
        "index",
        "group",
        "metric",
        "context",
        "condition",
        "lookup",
        "kms",
        "evaluated",
        "start",
        "next",
        "last",
        "bucket",
        "code",
        "artifact",
        "file",
        "idempotency",
        "request",
    ]
)
"""In front of `key`: what says where something is, and opens nothing."""
_OPEN_TOKENS: Final = frozenset(
    ["next", "request", "client", "continuation", "pagination", "page", "starting", "start", "idempotency"]
)
"""In front of `token`: where a list goes on, or which requests are the same one."""
_WHICH_ONE: Final = frozenset(
    [
        "old",
        "new",
        "previous",
        "current",
        "value",
        "string",
        "base",
        "b",
        "v",
        "pem",
        "dev",
        "development",
        "test",
        "staging",
        "prod",
        "production",
        "live",
    ]
)
"""Behind the word that says what it is: JWT_SECRET_OLD, API_KEY_V2, SECRET_KEY_BASE, secretString."""
_PLURALS: Final = {f"{word}s": word for word in (*_SECRET_WORDS, "key")}
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_REFERENCE: Final = re.compile(
    r"arn:[a-z-]+:|\{\{resolve:|[\[{]$|\$\{|\(sensitive|\(known after|!(?:Ref|Sub|GetAtt|ImportValue)\b|[*]{3,}"
)
"""A value that says where the secret is, or that it is hidden, or begins on the next line."""
_NO_SECRETS: Final = frozenset(("", "null", "none", "true", "false"))


class Secret:
    """A string that is shown only by `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself: for using the value, never for a message."""
        return self._value

    def __str__(self) -> str:
        return REDACTED

    def __repr__(self) -> str:
        return f"Secret({REDACTED!r})"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether what has this name is a secret: JWT_SECRET, apiKey, db-password; not routeKey, nextToken, key_id, tokenTtl.

    The last word says what it is; the words before say of what.
    """
    own = re.split(r"[./:]", name)[-1]
    words: list[str] = [_PLURALS.get(word.lower(), word.lower()) for word in _WORDS.findall(own)]
    while words and (words[-1].isdigit() or words[-1] in _WHICH_ONE):
        words.pop()
    if not words:
        return False
    *of, last = words
    if last == "key":  # a lone `key` is that of a table, an object or a tag; a lone KEY is a variable
        return not _OPEN_KEYS.intersection((*of, "".join(of))) and (bool(of) or own.isupper())
    if last.endswith("token"):
        return not _OPEN_TOKENS.intersection((*of, last.removesuffix("token")))
    return last.endswith(_SECRET_ENDS)


def is_secret_value(value: str) -> bool:
    """Whether what a secret name has for a value is the secret: not an ARN, a reference, nothing at all."""
    return value.lower() not in _NO_SECRETS and not _REFERENCE.match(value)


def redact(text: str) -> str:
    """`text` with all tokens, signatures and keys replaced."""
    if len(text) < _SHORTEST_WORD and text.isalnum():
        return text
    for pattern, replacement in _SHAPES:
        text = pattern.sub(replacement, text)
    shown: list[str] = []
    done = read = 0  # up to where the text is in `shown`, and up to where it belongs to a name that was read
    for found in _NAMED.finditer(text):
        value = _value_of(found) if found.start() >= read else None
        if value is None:
            continue
        read = value.end()
        if found["name"] != "arn" and is_secret_value(value["value"]):
            shown += (text[done : value.start("value")], REDACTED)
            done = read
    return "".join((*shown, text[done:]))


def _value_of(found: re.Match[str]) -> re.Match[str] | None:
    """The value behind a name that is one of a secret, or an ARN, in which such names say where something is."""
    name, colon = found["name"].strip("-."), "=" not in found["equals"]
    if name == "arn" and colon:
        return _VALUE.match(found.string, found.end())
    if not is_secret_name(name):
        return None
    # "Invalid token: ..." is a sentence: in front of a lone colon only JWT_SECRET, jwtSecret or TOKEN name a value.
    sure = not colon or name.isupper() or len(_WORDS.findall(name)) > 1
    if not (sure or found["end"]):
        return None
    value = _VALUE.match(found.string, found.end())
    return value if value and (sure or value["quote"]) else None
