"""Names stay within AWS's limits, and apart from those of another Region."""

from __future__ import annotations

import pytest

from whatschat_ops.config import Names, Settings

LONG = Settings(stack="a" * 31, environment="b" * 31, prefix="c" * 21)
SHORT = Settings()


@pytest.mark.parametrize("settings", [SHORT, LONG], ids=["short", "long"])
def test_names_are_no_longer_than_aws_accepts(settings: Settings) -> None:
    """IAM: 64 characters of a role; S3: 63 of a bucket; Step Functions: 80 of a state machine."""
    names = Names(settings, "ap-southeast-1")
    assert len(names.broadcast_state_machine) <= 80
    assert len(names.broadcast_bucket("1" * 12)) <= 63
    assert max(map(len, (names.lambda_role, names.broadcast_worker_role, names.broadcast_states_role))) <= 64


@pytest.mark.parametrize("settings", [SHORT, LONG], ids=["short", "long"])
def test_what_an_account_has_once_is_another_in_another_region(settings: Settings) -> None:
    one, other = (Names(settings, region) for region in ("eu-west-1", "eu-west-2"))
    for name in ("iam_path", "lambda_role", "broadcast_worker_role", "broadcast_states_role"):
        assert getattr(one, name) != getattr(other, name), name
    assert one.broadcast_bucket("1" * 12) != other.broadcast_bucket("1" * 12)
