"""By how much this machine's clock is wrong, as AWS's answers show it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from whatschat_ops.aws.clock import clock_error
from whatschat_ops.aws.errors import translate
from whatschat_ops.errors import CredentialsError

NOW = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)
# The texts are those of "Troubleshooting SigV4 signing" in the IAM user guide, and S3's "RequestTimeTooSkewed".
EXPIRED = (
    "Signature expired: 20261128T120000Z is now earlier than 20261128T120830Z (20261128T121330Z - 5 min.)"
)
EARLY = "Signature not yet current: 20261128T120000Z is still later than 20261128T113000Z (20261128T112500Z + 5 min.)"


@pytest.mark.parametrize(
    ("code", "text", "date", "expected"),
    [
        ("InvalidSignatureException", EXPIRED, None, "13.5 minutes behind"),
        ("SignatureDoesNotMatch", EARLY, None, "35 minutes ahead"),
        ("InvalidSignatureException", EXPIRED, "Sat, 28 Nov 2026 13:00:00 GMT", "60 minutes behind"),
        (
            "RequestTimeTooSkewed",
            "The difference is too large.",
            "Sat, 28 Nov 2026 09:00:00 GMT",
            "3 hours ahead",
        ),
        ("RequestExpired", "Request has expired.", "Mon, 30 Nov 2026 12:00:00 GMT", "2 days behind"),
        (
            "InvalidSignatureException",
            "Signature expired: long ago",
            "Sat, 28 Nov 2026 12:01:30 GMT",
            "90 s behind",
        ),
    ],
)
def test_clock_is_named_with_how_far_it_is_off(code: str, text: str, date: str | None, expected: str) -> None:
    headers = {"Date": date} if date else {}
    error = translate("ListTables", 403, {"Code": code, "Message": text}, headers, NOW)
    assert type(error) is CredentialsError
    assert f"this machine's clock is {expected}" in error.message
    assert "timedatectl" in str(error.hint)


@pytest.mark.parametrize("date", [None, "yesterday", "Sat, 28 Nov 2026 12:00:00"])
def test_clock_is_named_when_the_answer_does_not_say_how_far(date: str | None) -> None:
    found = clock_error("RequestTimeTooSkewed", "", {"date": date} if date else {}, NOW)
    assert found is not None and found.why == "this machine's clock is wrong"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("SignatureDoesNotMatch", "The request signature we calculated does not match"),
        ("ExpiredTokenException", "The security token included in the request is expired"),
        ("AccessDeniedException", "not authorized"),
    ],
)
def test_other_refusals_are_not_about_the_clock(code: str, text: str) -> None:
    assert clock_error(code, text, {"Date": "Sat, 28 Nov 2026 18:00:00 GMT"}, NOW) is None
