"""An IAM role and its inline policies. IAM is global and slow to agree: what was made is read back until it is there."""

# ruff: noqa: ARG002 - a verb is given the whole request, whatever it needs of it
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, ClassVar, Final

from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import Conflict, NotFound
from whatschat_ops.provision import Live, Resource, contains
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_documents import Document, actions, allow, pass_roles, trusted_services
from whatschat_ops.stack.kinds.context import AwsKind, tag_list, tag_list_property, tag_map
from whatschat_ops.stack.kinds.declaration import AwsField, CloudFormationType, Granted, ref

PATH: Final = "/whatschat-ops/"
"""What the paths of the roles of all stacks begin with."""


class Role(AwsKind):
    """A role. `trust_policy` is the document that says who may assume it.

    `permissions_boundary` is the ARN of a policy; when it is not wanted, one that others set is left alone.
    """

    name = "role"
    service = "iam"
    identity = ("role_name",)
    fields: ClassVar[Mapping[str, AwsField]] = {
        "role_name": AwsField(cfn="RoleName"),
        "path": AwsField(replaces="IAM cannot move a role to another path", cfn="Path"),
        "trust_policy": AwsField(cfn="AssumeRolePolicyDocument"),
        "permissions_boundary": AwsField(cfn="PermissionsBoundary"),
        "tags": AwsField(matches=contains, cfn=tag_list_property),
    }
    operator_sid = "Roles"
    operator_actions = actions("iam", "CreateRole UpdateAssumeRolePolicy TagRole SimulatePrincipalPolicy")
    template = (CloudFormationType("AWS::IAM::Role"),)
    template_outputs: ClassVar = {"role_name": ref}

    @classmethod
    def arns(cls, resource: Resource, place: Place) -> list[str]:
        """Its path is a part of it."""
        return [role_arn(place, resource.fields["path"], resource.fields["role_name"])]

    @classmethod
    def operator_statements(cls, granted: Granted) -> Iterator[Document]:
        """Also to find a role that does not exist: it has no path yet, so IAM checks the bare name."""
        yield from super().operator_statements(granted)
        bare = [role_arn(granted.place, "/", each.fields["role_name"]) for each in granted.resources]
        yield allow("Find", ["iam:GetRole"], bare)
        arns = [arn for each in granted.resources for arn in cls.arns(each, granted.place)]
        yield delete_roles(arns)
        for each in granted.resources:
            for service in trusted_services(each.fields["trust_policy"]):
                yield pass_roles(service, cls.arns(each, granted.place))
        if any("permissions_boundary" in each.fields for each in granted.resources):
            yield allow(cls.operator_sid, ["iam:PutRolePermissionsBoundary"], arns)

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        try:
            role = self._client.get_role(RoleName=identity["role_name"])["Role"]
        except NotFound:
            return None
        tags = tag_map(role.get("Tags", []))
        return Live(
            id=role["Arn"],
            fields={
                "role_name": role["RoleName"],
                "path": role["Path"],
                "trust_policy": role["AssumeRolePolicyDocument"],
                "permissions_boundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
                "tags": tags,
            },
            outputs={"arn": role["Arn"]},
            owner=tags.get(STACK_TAG),
        )

    def create(self, desired: Mapping[str, Any]) -> Live:
        self._client.create_role(
            RoleName=desired["role_name"],
            Path=desired["path"],
            AssumeRolePolicyDocument=json.dumps(desired["trust_policy"]),
            **boundary_parameter(desired),
            Tags=tag_list(desired["tags"]),
        )
        return self._context.waiting.until(
            f"the role {desired['role_name']} does not appear", lambda: self.read(desired), timeout_s=60
        )

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        name = desired["role_name"]
        if "tags" in changed:
            self._client.tag_role(RoleName=name, Tags=tag_list(desired["tags"]))
        if "permissions_boundary" in changed:
            self._client.put_role_permissions_boundary(RoleName=name, **boundary_parameter(desired))
        if "trust_policy" in changed:
            self._client.update_assume_role_policy(
                RoleName=name, PolicyDocument=json.dumps(desired["trust_policy"])
            )
        return Live(live.id, {**live.fields, **desired}, live.outputs, live.owner)

    def delete(self, live: Live) -> None:
        """DeleteRole refuses a role that still has policies: then they go first."""
        name = live.fields["role_name"]
        if is_earlier_path(live.fields["path"]):
            self._await_calls(name)
        try:
            with suppress(NotFound):
                self._client.delete_role(RoleName=name)
        except Conflict:
            self._delete_policies(name)
            with suppress(NotFound):
                self._client.delete_role(RoleName=name)

    def _await_calls(self, name: str) -> None:
        """Functions were changed over from this role just now: what they had begun with it ends before it goes."""
        seconds = self._context.longest_call_s
        self._context.waiting.say(f"Waiting {seconds:.0f} s for calls that began with the role {name}.")
        self._context.waiting.sleep(seconds)

    def _delete_policies(self, name: str) -> None:
        try:
            inline = list(self._client.get_paginator("list_role_policies").paginate(RoleName=name))
            attached = list(self._client.get_paginator("list_attached_role_policies").paginate(RoleName=name))
        except NotFound:
            return
        for policy in (policy for page in inline for policy in page["PolicyNames"]):
            with suppress(NotFound):  # also the answer to a repeated call whose first answer was lost
                self._client.delete_role_policy(RoleName=name, PolicyName=policy)
        for policy in (policy for page in attached for policy in page["AttachedPolicies"]):
            with suppress(NotFound):
                self._client.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])


class RolePolicy(AwsKind):
    """An inline policy of a role."""

    name = "role_policy"
    service = "iam"
    identity = ("role_name", "policy_name")
    fields: ClassVar[Mapping[str, AwsField]] = {
        "role_name": AwsField(cfn=lambda name: {"Roles": [name]}),
        "policy_name": AwsField(cfn="PolicyName"),
        "document": AwsField(cfn="PolicyDocument"),
    }
    tagged = False
    operator_on = "role"
    operator_actions = actions("iam", "PutRolePolicy GetRolePolicy")
    template = (CloudFormationType("AWS::IAM::Policy"),)

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        role, policy = identity["role_name"], identity["policy_name"]
        try:
            answer = self._client.get_role_policy(RoleName=role, PolicyName=policy)
        except NotFound:
            return None
        fields = {"role_name": role, "policy_name": policy, "document": answer["PolicyDocument"]}
        return Live(id=f"{role}/{policy}", fields=fields)

    def create(self, desired: Mapping[str, Any]) -> Live:
        role, policy = desired["role_name"], desired["policy_name"]
        self._client.put_role_policy(
            RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(desired["document"])
        )
        return Live(id=f"{role}/{policy}", fields=dict(desired))

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        return self.create(desired)

    def delete(self, live: Live) -> None:
        try:
            self._client.delete_role_policy(
                RoleName=live.fields["role_name"], PolicyName=live.fields["policy_name"]
            )
        except NotFound:
            return


def is_earlier_path(path: str) -> bool:
    """Whether it is `/whatschat-ops/STACK/`, as version 0.1.0 gave it. Today's end with the Region.

    >>> is_earlier_path("/whatschat-ops/whatschat-local/")
    True
    """
    return path.startswith(PATH) and path.count("/") == 3


def delete_roles(arns: list[str]) -> Document:
    """A statement to read roles and to delete them, with the policies that are in the way."""
    named = "GetRole DeleteRole ListRolePolicies DeleteRolePolicy ListAttachedRolePolicies DetachRolePolicy"
    return allow("DeleteRoles", actions("iam", named), arns)


def boundary_parameter(desired: Mapping[str, Any]) -> dict[str, str]:
    """PermissionsBoundary of a call, if one is wanted."""
    boundary = desired.get("permissions_boundary")
    return {"PermissionsBoundary": boundary} if boundary else {}


def role_arn(place: Place, path: str, name: str) -> str:
    """The ARN of a role; `path` begins and ends with a slash."""
    return f"arn:{place.partition}:iam::{place.account_id}:role{path}{name}"
