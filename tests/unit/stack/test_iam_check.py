"""Reading policies: what they allow, what is missing, what is superfluous."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.errors import Conflict, NotFound, PermissionDenied, UsageError
from whatschat_ops.stack.attachments import Principal, attach_policy, detach_policy
from whatschat_ops.stack.iam_check import check_permissions
from whatschat_ops.stack.iam_check.attached import principal_of
from whatschat_ops.stack.iam_check.check import needs_of
from whatschat_ops.stack.iam_check.evaluator import Decision, Need, decide, statements
from whatschat_ops.stack.iam_check.superfluous import superfluous_permissions
from whatschat_ops.stack.iam_check.wildcards import covers, overlaps
from whatschat_ops.stack.iam_documents import pass_roles

TABLE = "arn:aws:dynamodb:us-east-1:1:table/connections"
NEED = Need("dynamodb:GetItem", TABLE)

ALPHABET = "ab*?"
patterns = st.text(ALPHABET, max_size=5)
texts = st.text("ab", max_size=5)


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def said(*found: dict[str, Any], need: Need = NEED, user: str | None = None) -> Decision:
    return decide(statements("p", {"Statement": list(found)}, user), need)


def matches(pattern: str, text: str) -> bool:
    return re.fullmatch(fnmatch.translate(pattern), text) is not None


@given(patterns, patterns, texts)
def test_what_covers_matches_all_that_the_other_matches(one: str, other: str, text: str) -> None:
    if covers(one, other) and matches(other, text):
        assert matches(one, text)


@given(patterns, patterns, texts)
def test_patterns_that_match_one_text_overlap(one: str, other: str, text: str) -> None:
    if matches(one, text) and matches(other, text):
        assert overlaps(one, other)


@given(patterns, texts)
def test_pattern_overlaps_a_text_exactly_when_it_matches_it(pattern: str, text: str) -> None:
    assert overlaps(pattern, text) == covers(pattern, text) == matches(pattern, text)


@given(patterns, patterns)
def test_overlap_is_mutual(one: str, other: str) -> None:
    assert overlaps(one, other) == overlaps(other, one)


@pytest.mark.parametrize(
    ("found", "decision"),
    [
        ([], Decision.IMPLICIT_DENY),
        ([allow("dynamodb:GetItem", TABLE)], Decision.ALLOWED),
        ([allow("DYNAMODB:getitem", TABLE)], Decision.ALLOWED),
        ([allow("dynamodb:GetItem", TABLE.upper())], Decision.IMPLICIT_DENY),
        ([allow("dynamodb:Get*", "arn:aws:dynamodb:*:*:table/*")], Decision.ALLOWED),
        ([allow("dynamodb:Get????", [TABLE, "other"])], Decision.ALLOWED),
        ([allow("dynamodb:PutItem", TABLE)], Decision.IMPLICIT_DENY),
        ([allow("dynamodb:GetItem", f"{TABLE}/index/*")], Decision.IMPLICIT_DENY),
        ([allow("*"), deny("dynamodb:*", TABLE)], Decision.EXPLICIT_DENY),
        ([allow("*"), deny("dynamodb:*", "elsewhere")], Decision.ALLOWED),
        ([allow("*", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}})], Decision.UNKNOWN),
        ([allow("*"), deny("*", Condition={"Bool": {"aws:SecureTransport": "false"}})], Decision.UNKNOWN),
        ([allow("*"), allow("*", Condition={"Bool": {}})], Decision.ALLOWED),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], Decision.ALLOWED),
        ([{"Effect": "Allow", "NotAction": "dynamodb:*", "Resource": "*"}], Decision.IMPLICIT_DENY),
        ([{"Effect": "Allow", "Action": "*", "NotResource": TABLE}], Decision.IMPLICIT_DENY),
        ([allow("*"), {"Effect": "Deny", "Action": "*", "NotResource": TABLE}], Decision.ALLOWED),
    ],
)
def test_decision_is_iams(found: list[dict[str, Any]], decision: Decision) -> None:
    assert said(*found) is decision


def test_single_statement_needs_no_list() -> None:
    assert decide(statements("p", {"Statement": allow("*")}), NEED) is Decision.ALLOWED


@pytest.mark.parametrize(
    ("found", "decision"),
    [
        (allow("chime:GetMeeting", "arn:aws:chime:*:1:meeting/*"), Decision.ALLOWED),
        (allow("chime:GetMeeting", "arn:aws:chime:us-east-1:1:meeting/a*"), Decision.UNKNOWN),
        (allow("chime:GetMeeting", "arn:aws:chime:us-east-1:2:meeting/*"), Decision.IMPLICIT_DENY),
    ],
)
def test_need_on_all_meetings_is_not_met_by_some(found: dict[str, Any], decision: Decision) -> None:
    assert said(found, need=Need("chime:GetMeeting", "arn:aws:chime:us-east-1:1:meeting/*")) is decision


def test_denial_of_some_meetings_is_not_a_denial_of_all() -> None:
    need = Need("chime:GetMeeting", "arn:aws:chime:us-east-1:1:meeting/*")
    assert said(allow("*"), deny("*", "arn:aws:chime:us-east-1:1:meeting/a"), need=need) is Decision.UNKNOWN


def test_user_name_in_a_resource_is_known_for_a_user_only() -> None:
    own = allow("iam:GetUser", "arn:aws:iam::1:user/${aws:username}")
    need = Need("iam:GetUser", "arn:aws:iam::1:user/alice")
    assert said(own, need=need, user="alice") is Decision.ALLOWED
    assert said(own, need=need, user="bob") is Decision.IMPLICIT_DENY
    assert said(own, need=need) is Decision.UNKNOWN


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (allow("dynamodb:GetItem", TABLE), None),
        (deny("dynamodb:*", "*"), None),
        (allow("s3:GetObject", "*"), "nothing needs this action"),
        (allow("dynamodb:*", TABLE), "wider than the actions needed"),
        (allow("dynamodb:GetItem", "*"), "wider than the resources needed"),
        (allow("dynamodb:GetItem", "elsewhere"), "nothing needs this action on this resource"),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, "allows everything but what it names"),
    ],
)
def test_superfluous_permission_says_why(found: dict[str, Any], reason: str | None) -> None:
    reasons = [
        item.reason for item in superfluous_permissions(statements("p", {"Statement": [found]}), [NEED])
    ]
    assert reasons == [] if reason is None else reasons[0].startswith(reason)


@dataclass
class Iam:
    """IAM with one user, its inline policies, and a caller who may do more or less."""

    inline: dict[str, Any]
    may_ask: bool = False
    may_read: bool = True
    boundary: dict[str, Any] | None = None
    writes: list[str] = field(default_factory=list)
    room: bool = True
    """Whether another policy fits beside those that are there."""

    def client(self, service: str) -> Iam:
        assert service == "iam"
        return self

    account_id = "1"
    region = "us-east-1"

    def get_user(self, UserName: str) -> dict[str, Any]:
        if UserName != "alice":
            raise NotFound("GetUser: no such user")
        bounded = {"PermissionsBoundary": {"PermissionsBoundaryArn": "limit"}} if self.boundary else {}
        return {"User": {"Arn": "arn:aws:iam::1:user/alice", **bounded}}

    def get_user_policy(self, UserName: str, PolicyName: str) -> dict[str, Any]:
        if UserName != "alice" or PolicyName not in self.inline:
            raise NotFound("GetUserPolicy: none")
        return {"PolicyDocument": self.inline[PolicyName]}

    def put_user_policy(self, UserName: str, PolicyName: str, PolicyDocument: str) -> None:
        if not self.room and len(self.inline) > 0:
            raise Conflict("PutUserPolicy: LimitExceeded", aws_code="LimitExceeded")
        self.writes.append(f"put {PolicyName} {len(PolicyDocument)}")

    def delete_user_policy(self, UserName: str, PolicyName: str) -> None:
        if UserName != "alice" or PolicyName not in self.inline:
            raise NotFound("DeleteUserPolicy: none")
        self.inline = {name: document for name, document in self.inline.items() if name != PolicyName}
        self.writes.append(f"delete {PolicyName}")

    def get_policy(self, PolicyArn: str) -> dict[str, Any]:
        return {"Policy": {"DefaultVersionId": "v1"}}

    def get_policy_version(self, PolicyArn: str, VersionId: str) -> dict[str, Any]:
        return {"PolicyVersion": {"Document": self.boundary}}

    def get_paginator(self, operation: str) -> Pages:
        return Pages(self, operation)


@dataclass
class Pages:
    """Answers of one listing."""

    iam: Iam
    operation: str

    def paginate(self, **parameters: Any) -> Iterator[dict[str, Any]]:
        if self.operation == "simulate_principal_policy":
            if not self.iam.may_ask:
                raise PermissionDenied("SimulatePrincipalPolicy: no")
            assert parameters["PolicySourceArn"] == "arn:aws:iam::1:user/alice"
            yield {
                "EvaluationResults": [
                    self._result(action, parameters) for action in parameters["ActionNames"]
                ]
            }
            return
        if not self.iam.may_read:
            raise PermissionDenied(f"{self.operation}: no")
        if self.operation == "list_user_policies":
            yield {"PolicyNames": list(self.iam.inline)[:1]}
            yield {"PolicyNames": list(self.iam.inline)[1:]}
        elif self.operation == "list_attached_user_policies":
            yield {"AttachedPolicies": []}
        else:
            yield {"Groups": []}

    def _result(self, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
        (resource,) = parameters["ResourceArns"]
        found = [s for p in self.iam.inline.values() for s in statements("p", p)]
        entries = parameters.get("ContextEntries", [])
        assert [entry["ContextKeyName"] for entry in entries] in ([], ["iam:PassedToService"])
        (service,) = entries[0]["ContextKeyValues"] if entries else [""]
        return {
            "EvalActionName": action,
            "EvalDecision": decide(found, Need(action, resource, service)).value,
        }


ALICE = Principal("user", "alice")
WANTED = {"Statement": [allow(["dynamodb:GetItem", "dynamodb:PutItem"], TABLE)]}


@pytest.mark.parametrize("may_ask", [True, False])
def test_missing_and_superfluous_are_named_whoever_decides(may_ask: bool) -> None:
    has = {"own": {"Statement": [allow(["dynamodb:GetItem", "s3:GetObject"], TABLE)]}}
    result = check_permissions(Iam(has, may_ask=may_ask), "lambda", ALICE, WANTED)  # type: ignore[arg-type]
    assert result.decided_by == ("iam" if may_ask else "policies")
    assert [item.action for item in result.missing] == ["dynamodb:PutItem"]
    assert [item.action for item in result.superfluous or ()] == ["s3:GetObject"]
    assert result.policies == ("user/alice/own",)


def test_policies_that_cannot_be_read_leave_the_superfluous_unknown() -> None:
    iam = Iam({"own": WANTED}, may_ask=True, may_read=False)
    result = check_permissions(iam, "lambda", ALICE, WANTED)  # type: ignore[arg-type]
    assert (result.missing, result.superfluous, result.policies) == ((), None, None)


def test_who_may_neither_ask_nor_read_is_told_so() -> None:
    iam = Iam({}, may_read=False)
    with pytest.raises(PermissionDenied, match="neither ask IAM"):
        check_permissions(iam, "lambda", ALICE, WANTED)  # type: ignore[arg-type]


def test_boundary_limits_what_the_policies_allow() -> None:
    iam = Iam({"own": WANTED}, boundary={"Statement": [allow("dynamodb:GetItem")]})
    result = check_permissions(iam, "lambda", ALICE, WANTED)  # type: ignore[arg-type]
    assert [item.action for item in result.missing] == ["dynamodb:PutItem"]


def test_unknown_principal_is_named() -> None:
    bob = Principal("user", "bob")
    for call in (
        lambda: check_permissions(Iam({}), "lambda", bob, WANTED),  # type: ignore[arg-type]
        lambda: attach_policy(Iam({}), bob, "p", WANTED),  # type: ignore[arg-type]
        lambda: detach_policy(Iam({}), bob, "p"),  # type: ignore[arg-type]
    ):
        with pytest.raises(NotFound, match="There is no user bob"):
            call()


def test_attaching_what_is_attached_writes_nothing() -> None:
    iam = Iam({"p": WANTED})
    assert attach_policy(iam, ALICE, "p", WANTED).changed is False  # type: ignore[arg-type]
    assert attach_policy(iam, ALICE, "p", {"Statement": []}).changed is True  # type: ignore[arg-type]
    assert iam.writes == ["put p 16"]


def test_detaching_what_is_not_attached_is_no_news() -> None:
    iam = Iam({"p": WANTED})
    assert detach_policy(iam, ALICE, "other").changed is False  # type: ignore[arg-type]
    assert detach_policy(iam, ALICE, "p").changed is True  # type: ignore[arg-type]


def of_region(region: str) -> dict[str, Any]:
    return {"Statement": [allow("dynamodb:GetItem", f"arn:aws:dynamodb:{region}:123456789012:table/t")]}


@pytest.mark.parametrize(
    ("region", "writes"),
    [("us-east-1", [["put", "new"], ["delete", "old"]]), ("eu-west-1", [["put", "new"]])],
)
def test_attaching_replaces_a_policy_of_the_earlier_name_that_is_of_this_region(
    region: str, writes: list[list[str]]
) -> None:
    iam = Iam({"old": of_region(region)})
    attach_policy(iam, ALICE, "new", WANTED, earlier="old")  # type: ignore[arg-type]
    assert [write.split()[:2] for write in iam.writes] == writes


def test_earlier_policy_makes_room_when_there_is_none_for_both() -> None:
    iam = Iam({"old": of_region("us-east-1")}, room=False)
    attach_policy(iam, ALICE, "new", WANTED, earlier="old")  # type: ignore[arg-type]
    assert [write.split()[:2] for write in iam.writes] == [["delete", "old"], ["put", "new"]]


def test_policy_for_which_there_is_no_room_is_refused_and_another_regions_stays() -> None:
    iam = Iam({"old": of_region("eu-west-1")}, room=False)
    with pytest.raises(Conflict, match="LimitExceeded"):
        attach_policy(iam, ALICE, "new", WANTED, earlier="old")  # type: ignore[arg-type]
    assert iam.writes == []


@pytest.mark.parametrize(("region", "writes"), [("us-east-1", ["delete old"]), ("eu-west-1", [])])
def test_detaching_removes_the_earlier_policy_of_this_region_only(region: str, writes: list[str]) -> None:
    iam = Iam({"old": of_region(region)})
    found = detach_policy(iam, ALICE, "new", earlier="old")  # type: ignore[arg-type]
    assert (found.changed, iam.writes) == (bool(writes), writes)


def test_policy_too_long_for_a_user_is_refused_with_a_way_out() -> None:
    document = {"Statement": [allow("dynamodb:GetItem", "x" * 2_048)]}
    with pytest.raises(UsageError, match="2048 inline for a user") as caught:
        attach_policy(Iam({}), ALICE, "p", document)  # type: ignore[arg-type]
    assert "iam create-policy" in str(caught.value.hint)


def test_policy_too_long_for_a_managed_policy_is_not_sent_there() -> None:
    document = {"Statement": [allow("dynamodb:GetItem", "x" * 6_144)]}
    with pytest.raises(UsageError, match="2048 inline for a user") as caught:
        attach_policy(Iam({}), ALICE, "p", document)  # type: ignore[arg-type]
    assert "iam create-policy" not in str(caught.value.hint)


@pytest.mark.parametrize(
    ("arn", "principal"),
    [
        ("arn:aws:iam::1:user/team/alice", ALICE),
        ("arn:aws:iam::1:user/alice", ALICE),
        ("arn:aws-cn:sts::1:assumed-role/backend/i-0abc", Principal("role", "backend")),
    ],
)
def test_caller_is_a_user_or_the_role_behind_a_session(arn: str, principal: Principal) -> None:
    assert principal_of(arn) == principal


def test_root_has_no_policies_to_check() -> None:
    with pytest.raises(UsageError, match="no policies"):
        principal_of("arn:aws:iam::1:root")


def test_rights_on_oneself_are_no_need_of_a_role() -> None:
    document = {"Statement": [allow(["iam:SimulatePrincipalPolicy"], "arn:aws:iam::1:user/${aws:username}")]}
    assert needs_of(document, Principal("role", "r")) == ()
    assert needs_of(document, ALICE) == (Need("iam:SimulatePrincipalPolicy", "arn:aws:iam::1:user/alice"),)


ROLE = "arn:aws:iam::1:role/r"


def passing(service: str) -> dict[str, Any]:
    return pass_roles(f"{service}.amazonaws.com", ROLE)


@pytest.mark.parametrize("may_ask", [True, False])
def test_role_that_may_be_passed_to_the_service_is_no_unknown(may_ask: bool) -> None:
    wanted = {"Statement": [passing("lambda")]}
    result = check_permissions(Iam({"own": wanted}, may_ask=may_ask), "operator", ALICE, wanted)  # type: ignore[arg-type]
    assert (result.needed, result.missing, result.unknown) == (1, (), ())


@pytest.mark.parametrize("may_ask", [True, False])
def test_role_that_may_be_passed_to_another_service_only_is_missing(may_ask: bool) -> None:
    wanted = {"Statement": [passing("lambda")]}
    iam = Iam({"own": {"Statement": [passing("states")]}}, may_ask=may_ask)
    result = check_permissions(iam, "operator", ALICE, wanted)  # type: ignore[arg-type]
    assert [(item.action, item.resource) for item in result.missing] == [("iam:PassRole", ROLE)]


def test_condition_on_the_service_and_on_more_is_not_decided_here() -> None:
    statement = passing("lambda")
    statement["Condition"]["Bool"] = {"aws:MultiFactorAuthPresent": "true"}
    (found,) = statements("p", {"Statement": [statement]})
    need = Need("iam:PassRole", ROLE, "lambda.amazonaws.com")
    assert found.applies(need) is Decision.UNKNOWN
    assert found.applies(Need("iam:PassRole", ROLE, "states.amazonaws.com")) is Decision.IMPLICIT_DENY
