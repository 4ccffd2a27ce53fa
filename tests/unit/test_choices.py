"""The name that is meant by one that does not exist."""

from __future__ import annotations

import pytest

from whatschat_ops.choices import did_you_mean, meant


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("prod", ("local", "production"), "production"),
        ("PRODUCTION", ("local", "production"), "production"),
        ("--rat", ("--rate", "--rates"), "--rate"),
        ("--environment", ("--env", "--endpoint"), "--env"),
        ("--sort", ("--json", "--show-secrets"), None),
        ("--user", ("--query", "--quiet"), None),
        ("stage", ("local", "staging"), "staging"),
        ("distribted", ("local", "distributed"), "distributed"),
        ("", ("local",), None),
        ("--", ("--env",), None),
        ("x", (), None),
    ],
)
def test_a_near_name_is_meant(word: str, known: tuple[str, ...], found: str | None) -> None:
    assert meant(word, known) == found
    assert did_you_mean(word, known) == (f" Did you mean {found!r}?" if found else "")
