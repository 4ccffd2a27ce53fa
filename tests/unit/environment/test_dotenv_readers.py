"""What the readers of .env files make of odd ones: npm's dotenv 16.6.1 and 17.4.2, dotenv-expand 8 to 13, @next/env 13 to 16.

The right values were printed by those packages (`node -e "console.log(require('dotenv').parse(text))"`), all versions alike; of
30,000 random texts dotenv 16.6.1 and `read_values` read every one alike.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.environment.test_env_render import aws_of
from whatschat_ops.config import Settings
from whatschat_ops.environment.dotenv import escaped, expanded, merge, quote, read_values
from whatschat_ops.environment.render import EnvironmentFile, read_environment, to_text, write_environment
from whatschat_ops.environment.variables import Side, Variable
from whatschat_ops.errors import UsageError
from whatschat_ops.redaction import Secret


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("A=1\rB=2\rC=3", {"A": "1", "B": "2", "C": "3"}),
        ("A=1\rB=2\nC=3\r\nD=4", {"A": "1", "B": "2", "C": "3", "D": "4"}),
        ("A='1'\rB='2'\r", {"A": "1", "B": "2"}),
        ('A="x\ry"\nB=2', {"A": "x\ny", "B": "2"}),
        ('A="x"y\nB=2', {"A": '"x"y', "B": "2"}),
        ("A='x'y", {"A": "'x'y"}),
        ("A=`a`z", {"A": "`a`z"}),
        ('A="x"#c', {"A": "x"}),
        ("A=x#c", {"A": "x"}),
        ('A="x\nB=2', {"A": '"x', "B": "2"}),
        ('A="x\nB="y"', {"A": '"x', "B": "y"}),
        ('A="x\\ny"', {"A": "x\ny"}),
        ("A='x\\ny'", {"A": "x\\ny"}),
        ("A=`x\"'y`", {"A": "x\"'y"}),
        ("A: x", {"A": "x"}),
        ("export A=x", {"A": "x"}),
        ("A=1\nA=2", {"A": "2"}),
        ("A-b.c=1", {"A-b.c": "1"}),
        ("A='x$y'", {"A": "x$y"}),
        ("A='x\\$y'", {"A": "x\\$y"}),
    ],
)
def test_file_is_read_as_dotenv_reads_it(text: str, read: dict[str, str]) -> None:
    assert read_values(text) == read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A='x$y'", "x"),
        ("A=x\\$y", "x$y"),
        ("A='x\\${HOME2}y'", "x${HOME2}y"),
        ("A='x${HOME2}y'", "xy"),
        ("A='x\\$\\$y'", "x$$y"),
        ("A='x$'", "x$"),
        ("A='x\\$'", "x$"),
        ("A='a$1'", "a"),
        ("A='a\\$1'", "a$1"),
        ("A='a\\b'", "a\\b"),
        ("A='${Z:-d}'", "d"),
        ("B=7\nA='x$B'", "x7"),
        ("B=7\nA='x\\$B'", "x$B"),
    ],
)
def test_file_of_the_frontend_is_read_as_next_reads_it(text: str, value: str) -> None:
    assert expanded(read_values(text))["A"] == value


@pytest.mark.parametrize(
    "value", ["$", "a$b", "$HOME", "${HOME}", "$$", "a$1", "p@ss$word", "it's $5", "a$", 'say "$x"']
)
def test_dollar_comes_back_unchanged_from_the_reader_of_each_side(value: str) -> None:
    of_frontend = f"A={quote(escaped(value))}"

    assert expanded(read_values(of_frontend))["A"] == value
    try:
        of_backend = f"A={quote(value)}"
    except UsageError:  # a quote and a $: docker compose would read it otherwise
        assert "'" in value
    else:
        assert read_values(of_backend)["A"] == value
        assert "\\" not in of_backend


def test_backslash_before_a_dollar_is_refused_where_versions_of_the_reader_differ() -> None:
    with pytest.raises(UsageError) as caught:
        escaped("a\\$b")

    assert caught.value.hint


def test_only_the_file_of_the_frontend_is_escaped() -> None:
    texts = {
        side: to_text(EnvironmentFile(side, "local", (Variable("NEXT_PUBLIC_API_URL", "http://x/$1"),)))
        for side in Side
    }

    assert "NEXT_PUBLIC_API_URL='http://x/\\$1'" in texts[Side.FRONTEND]
    assert "NEXT_PUBLIC_API_URL='http://x/$1'" in texts[Side.BACKEND]


@pytest.mark.parametrize(
    ("existing", "merged"),
    [
        ("X=1\rA=1\rY=2\r", "X=1\rA=new\rY=2\r\rB=b\r"),
        ("X=1\rA=1\nY=2\r\n", "X=1\rA=new\nY=2\r\n\r\nB=b\r\n"),
        ('A="x"y\nY=2\n', "A=new\nY=2\n\nB=b\n"),
        ("A=x#c\nY=2\n", "A=new #c\nY=2\n\nB=b\n"),
        ('A="x\nY=2\n', "A=new\nY=2\n\nB=b\n"),
        ("A: x\nY=2\n", "A: new\nY=2\n\nB=b\n"),
    ],
)
def test_merge_into_an_odd_file_loses_nothing(existing: str, merged: str) -> None:
    text = merge(existing, [Variable("A", "new"), Variable("B", "b")]).text

    assert text == merged
    assert read_values(text) == {**read_values(existing), "A": "new", "B": "b"}


@pytest.mark.parametrize(
    ("before", "after"), [(0o644, 0o600), (0o660, 0o600), (0o640, 0o600), (0o600, 0o600), (0o400, 0o400)]
)
def test_file_that_others_may_read_is_for_its_owner_once_secrets_are_in_it(
    tmp_path: Path, before: int, after: int
) -> None:
    path = tmp_path / ".env"
    path.write_text("X=1\n")
    path.chmod(before)
    file = EnvironmentFile(Side.BACKEND, "local", (Variable("JWT_SECRET", Secret("hush")),))

    write_environment(file, path)
    assert path.stat().st_mode & 0o777 == after
    path.chmod(before)
    write_environment(file, path)  # nothing to change but the mode

    assert path.stat().st_mode & 0o777 == after
    assert path.read_text() == "X=1\n\nJWT_SECRET=hush\n"


def test_byte_order_mark_is_not_part_of_the_first_name(tmp_path: Path) -> None:
    settings = Settings()
    path = tmp_path / ".env"
    path.write_bytes(b"\xef\xbb\xbfAWS_REGION=xx\nMINE=1\n")

    written = write_environment(read_environment(Side.BACKEND, settings, aws_of(settings)), path)

    assert "AWS_REGION" in written.changed
    assert path.read_bytes().startswith(b"AWS_REGION=us-east-1\nMINE=1\n")
