"""Names that AWS keeps per account: within their limits, one per Region and stack, the same every time.

Limits: IAM API reference (CreateRole: 64 characters of `[\\w+=,.@-]`; Path: 512; PutRolePolicy: 128) and the S3 user guide,
"General purpose bucket naming rules" (3 to 63 of lower-case letters, digits, dots and hyphens).
"""

from __future__ import annotations

import re

import botocore.session
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.config import Names, Settings
from whatschat_ops.quotas import LONGEST_REGION_CHARACTERS

SESSION = botocore.session.get_session()
REGIONS = sorted(
    region
    for partition in SESSION.get_available_partitions()
    for region in SESSION.get_available_regions("lambda", partition)
)
ACCOUNT = "123456789012"

settings = st.builds(
    Settings,
    stack=st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True),
    environment=st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True),
    prefix=st.from_regex(r"([a-z][a-z0-9-]{0,20})?", fullmatch=True),
)
regions = st.sampled_from(REGIONS)


def roles(names: Names) -> list[str]:
    return [names.lambda_role, names.broadcast_worker_role, names.broadcast_states_role]


@given(settings, regions)
def test_names_kept_per_account_fit_and_say_the_region(found: Settings, region: str) -> None:
    names = Names(found, region)
    for role in roles(names):
        assert re.fullmatch(r"[\w+=,.@-]{1,64}", role)
        assert role.endswith(f"-{region}")
    bucket = names.broadcast_bucket(ACCOUNT)
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", bucket)
    assert bucket.endswith(f"-{region}-{ACCOUNT}")
    assert names.iam_path.startswith("/") and names.iam_path.endswith(f"/{region}/")
    assert len(names.iam_path) <= 512
    policy = names.attached_policy("broadcast-operator")
    assert len(policy) <= 128 and policy.endswith(f"-{region}")


@given(settings, regions, regions)
def test_two_regions_of_a_stack_share_no_name(found: Settings, one: str, other: str) -> None:
    first, second = Names(found, one), Names(found, other)
    assert (one == other) == (set(roles(first)) == set(roles(second)))
    assert (one == other) == (first.broadcast_bucket(ACCOUNT) == second.broadcast_bucket(ACCOUNT))
    assert (one == other) == (first.iam_path == second.iam_path)
    assert (one == other) == (first.attached_policy("operator") == second.attached_policy("operator"))


@given(settings, settings, regions)
def test_two_stacks_of_a_region_share_no_bucket(one: Settings, other: Settings, region: str) -> None:
    first, second = Names(one, region), Names(other, region)
    same_stack = first.stack == second.stack
    assert same_stack == (first.broadcast_bucket(ACCOUNT) == second.broadcast_bucket(ACCOUNT))


@given(settings, regions)
def test_roles_of_a_stack_are_three_and_the_same_every_time(found: Settings, region: str) -> None:
    assert len(set(roles(Names(found, region)))) == 3
    same = Settings(stack=found.stack, environment=found.environment, prefix=found.prefix)
    assert roles(Names(found, region)) == roles(Names(same, region))


@given(settings, regions)
def test_template_that_knows_no_region_gives_the_names_of_every_region(found: Settings, region: str) -> None:
    template, names = Names(found, "${AWS::Region}"), Names(found, region)
    for in_template, in_region in zip(roles(template), roles(names), strict=True):
        assert in_template.replace("${AWS::Region}", region) == in_region


def test_names_that_are_cut_keep_apart_what_differs_at_the_end() -> None:
    long = [
        Names(Settings(stack="a" * 31, environment=f"{'b' * 30}{end}", prefix="c" * 21), "us-east-1")
        for end in "xy"
    ]
    assert not set(roles(long[0])) & set(roles(long[1]))
    assert all(len(role) <= 64 for each in long for role in roles(each))


def test_no_region_is_longer_than_the_room_for_one() -> None:
    assert max(map(len, REGIONS)) == LONGEST_REGION_CHARACTERS
