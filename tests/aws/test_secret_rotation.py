"""Rotations of the JWT secret on moto's SSM: what is stored when, and what an interruption leaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import ConfigError, Conflict, NotProvisioned
from whatschat_ops.moments import local_time
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.secret_rotation import WAIT_S, SecretRotation
from whatschat_ops.stack.waiting import Waiting

FIRST = "the-first-secret-of-the-tests-32-bytes"
SECOND = "the-second-secret-of-the-tests-32-bytes"
DAY = timedelta(days=1)
SETTINGS = Settings()
NAMES = Names(SETTINGS)
SECRET, ROTATION = NAMES.jwt_secret_parameter, NAMES.jwt_secret_rotation_parameter


class Site:
    """An account with the secret of a stack, and a clock that moves when the rotation waits."""

    def __init__(self) -> None:
        self.ssm = boto3.client("ssm", region_name="us-east-1")
        self.now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
        self.while_waiting: Callable[[], None] = lambda: None
        self.said: list[str] = []

    def put(self, value: str, *, tagged: bool = True) -> None:
        tags = [{"Key": key, "Value": value} for key, value in NAMES.tags.items()] if tagged else []
        self.ssm.put_parameter(Name=SECRET, Type="SecureString", Value=value, Tags=tags)

    def rotate(self, new: str | None = None, grace: timedelta = DAY) -> Any:
        aws = Aws(AwsTarget("us-east-1", access_key_id="AKIDEXAMPLE", secret_access_key=Secret("secret")))
        rotation = SecretRotation(
            SETTINGS, aws, Waiting(sleep=self._sleep, say=self.said.append), lambda: self.now
        )
        return rotation.rotate(Secret(new) if new else None, grace)

    def value(self, name: str = SECRET) -> str | None:
        try:
            found: str = self.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        except self.ssm.exceptions.ParameterNotFound:
            return None
        return found

    @property
    def rotation(self) -> Any:
        found = self.value(ROTATION)
        return None if found is None else json.loads(found)

    def _sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.while_waiting()


@pytest.fixture
def site() -> Iterator[Site]:
    with mock_aws():
        made = Site()
        made.put(FIRST)
        yield made


def interrupt() -> None:
    raise KeyboardInterrupt


def test_both_secrets_are_stored_before_the_new_one_signs(site: Site) -> None:
    until = site.now + timedelta(seconds=WAIT_S) + DAY

    def look() -> None:
        assert site.value() == FIRST
        assert site.rotation == {"secrets": [FIRST, SECOND], "until": int(until.timestamp())}

    site.while_waiting = look
    rotated = site.rotate(SECOND)
    assert (site.value(), site.rotation["secrets"]) == (SECOND, [FIRST, SECOND])
    assert (rotated.parameter, rotated.previous_accepted_until) == (SECRET, until)
    assert rotated.rotated_at == site.now
    assert len(site.said) == 1


def test_generated_secret_is_new_and_strong(site: Site) -> None:
    site.rotate()
    made = site.value()
    assert made is not None
    assert len(bytes.fromhex(made)) == 32
    assert site.rotation["secrets"] == [FIRST, made]


def test_parameter_of_a_rotation_is_encrypted_and_of_the_stack(site: Site) -> None:
    site.rotate()
    assert site.ssm.get_parameter(Name=ROTATION)["Parameter"]["Type"] == "SecureString"
    tags = site.ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=ROTATION)["TagList"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == NAMES.tags


def test_interrupted_rotation_is_finished_by_the_next_one(site: Site) -> None:
    site.while_waiting = interrupt
    with pytest.raises(KeyboardInterrupt):
        site.rotate()
    begun = site.rotation
    assert site.value() == FIRST

    site.while_waiting = lambda: None
    site.rotate(grace=timedelta(days=7))
    assert site.value() == begun["secrets"][1]
    assert site.rotation == begun


def test_second_rotation_waits_for_the_end_of_the_first(site: Site) -> None:
    site.rotate(SECOND)
    with pytest.raises(
        Conflict, match=f"lasts until {local_time(datetime(2026, 11, 24, 12, 1, 5, tzinfo=UTC))}"
    ):
        site.rotate()
    assert site.value() == SECOND
    site.now += DAY
    site.rotate()
    assert site.rotation["secrets"] == [SECOND, site.value()]


def test_rotation_back_to_the_previous_secret_needs_no_end_of_the_first(site: Site) -> None:
    site.rotate(SECOND)

    def look() -> None:
        assert (site.value(), site.rotation["secrets"]) == (SECOND, [SECOND, FIRST])  # both accepted

    site.while_waiting = look
    back = site.rotate(FIRST)
    assert (site.value(), site.rotation["secrets"]) == (FIRST, [SECOND, FIRST])
    assert back.previous_accepted_until == site.now + DAY


def test_unfinished_rotation_to_another_secret_is_not_replaced(site: Site) -> None:
    site.while_waiting = interrupt
    with pytest.raises(KeyboardInterrupt):
        site.rotate()
    with pytest.raises(Conflict):
        site.rotate(SECOND)
    assert site.value() == FIRST


def test_rotation_of_other_secrets_is_over(site: Site) -> None:
    site.rotate(SECOND)
    site.ssm.put_parameter(Name=SECRET, Value=FIRST + "-set-in-another-way", Overwrite=True)
    site.rotate()
    assert site.rotation["secrets"] == [FIRST + "-set-in-another-way", site.value()]


@pytest.mark.parametrize("rotated_before", [False, True])
def test_without_grace_the_previous_secret_is_gone_at_once(site: Site, rotated_before: bool) -> None:
    if rotated_before:
        site.rotate()
    before, now = site.value(), site.now
    rotated = site.rotate(grace=timedelta(0))
    assert site.value() not in (None, before)
    assert (site.rotation, rotated.previous_accepted_until, site.now) == (None, None, now)


def test_secret_that_is_there_already_is_refused(site: Site) -> None:
    for grace in (DAY, timedelta(0)):
        with pytest.raises(ConfigError, match="already"):
            site.rotate(FIRST, grace)
    assert (site.value(), site.rotation) == (FIRST, None)


def test_rotation_that_cannot_be_read_is_refused_and_can_be_ended(site: Site) -> None:
    site.ssm.put_parameter(Name=ROTATION, Type="SecureString", Value="text", Tags=[])
    with pytest.raises(ConfigError) as refused:
        site.rotate()
    assert str(refused.value.hint) == "whatschat-ops token secret rotate --grace 0"
    site.rotate(grace=timedelta(0))
    assert site.rotation is None


def test_stack_without_a_secret_has_nothing_to_rotate(site: Site) -> None:
    site.ssm.delete_parameter(Name=SECRET)
    with pytest.raises(NotProvisioned, match="no JWT secret"):
        site.rotate()


def test_secret_of_another_owner_is_left_alone(site: Site) -> None:
    site.ssm.delete_parameter(Name=SECRET)
    site.put(FIRST, tagged=False)
    with pytest.raises(Conflict, match="not of this stack"):
        site.rotate()
    assert (site.value(), site.rotation) == (FIRST, None)
