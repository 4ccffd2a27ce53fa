"""Files of users: each format, and each way to get one wrong."""

from __future__ import annotations

import io

import pytest

from whatschat_ops.chime.batch_file import MOST_USERS, read_batch
from whatschat_ops.chime.capabilities import Capabilities
from whatschat_ops.errors import UsageError

WATCHING = Capabilities("SendReceive", "Receive", "None")


def read(text: str, otherwise: Capabilities | None = None) -> dict[str, Capabilities | None]:
    return read_batch(io.BytesIO(text.encode()), "users", otherwise)


@pytest.mark.parametrize(
    "text",
    [
        "user,audio,video,content\nbob,,,\ncarol,sendreceive,Receive,None\n",
        "\ufeffUser,Video,Content\r\nbob\r\ncarol, Receive ,None\r\n",
        '{"user": "bob"}\n\n{"user": "carol", "video": "Receive", "content": "None"}',
        '{"ExternalUserId": "bob"}\n{"ExternalUserId": "carol", "Capabilities": '
        '{"Audio": "SendReceive", "Video": "Receive", "Content": "None"}}',
    ],
)
def test_formats_are_told_apart_by_the_first_line(text: str) -> None:
    assert read(text) == {"bob": None, "carol": WATCHING}


def test_lines_of_users_may_have_comments_and_commas() -> None:
    assert read("bob\ncarol # the host\n# nothing else\na,b\nuser#1\n") == {
        "bob": None, "carol": None, "a,b": None, "user#1": None,
    }  # fmt: skip


def test_users_without_capabilities_get_those_given_for_all() -> None:
    receiving = Capabilities("Receive", "Receive", "Receive")
    assert read("user,audio\nbob,\ncarol,None\n", receiving) == {
        "bob": receiving, "carol": Capabilities("None", "Receive", "Receive"),
    }  # fmt: skip


def test_same_user_twice_counts_once() -> None:
    assert read("bob\nbob\n") == {"bob": None}


def test_empty_file_has_no_users() -> None:
    assert read("\n") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,audio\nbob,Loud\n", "users, line 2: .*audio is one of"),
        ("user,screen\nbob,Send\n", "users, line 1: the column 'screen' is not known"),
        ("user,audio\nbob,Send,None\n", "users, line 2: it has 3 fields, and the header names 2"),
        ("user,audio\n,Send\n", "users, line 2: No user id is given"),
        ("user,audio\nbob,Send\nbob,None\n", "users, line 3: The user 'bob' is there twice"),
        ("bob\n?\n", "users, line 2: The user id '\\?' cannot be used: it must have 2 to 64 characters"),
        ('{"user": "bob"\n', "users, line 1 is not a user in JSON"),
        ('{"user": "bob"}\n[]\n', "users, line 2 is not a user in JSON: it is not an object"),
        ("{" * 60000, "users, line 1 is not a user in JSON"),
        ('{"user": 7}\n', "users, line 1: No user id is given"),
        ('{"user": "bob", "capabilities": 1}\n', "capabilities is not an object"),
        ('{"user": "bob", "role": "host"}\n', "users, line 1: .*no kind of media 'role'"),
        ("\n".join(f"user-{n}" for n in range(MOST_USERS + 1)), f"line {MOST_USERS + 1}: More than 10,000"),
    ],
)
def test_bad_line_is_named_with_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(text)
