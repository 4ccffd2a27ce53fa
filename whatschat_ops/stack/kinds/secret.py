"""A secret string in SSM Parameter Store (SecureString, under AWS's own key)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import Struct

from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import NotFound
from whatschat_ops.handlers.token_rules import MIN_SECRET_BYTES
from whatschat_ops.provision import Live, contains
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.iam_documents import actions
from whatschat_ops.stack.kinds.context import AwsKind, tag_list, tag_map
from whatschat_ops.stack.kinds.declaration import ArnPattern, AwsField


class Generated(Struct, frozen=True):
    """Any value will do: one that is there is kept, else `size_bytes` random bytes are written as hex digits."""

    size_bytes: int = MIN_SECRET_BYTES


def _matches(live: Any, desired: Any) -> bool:
    return isinstance(desired, Generated) or bool(live == desired)


class SecretParameter(AwsKind):
    """`value` is a `Secret`, or `Generated`."""

    name = "secret"
    service = "ssm"
    identity = ("parameter_name",)
    fields: ClassVar[Mapping[str, AwsField]] = {
        "parameter_name": AwsField(),
        "type": AwsField(replaces="SSM cannot change the type of a parameter in place"),
        "value": AwsField(sensitive=True, matches=_matches),
        "tags": AwsField(matches=contains),
    }
    arn: ClassVar[ArnPattern] = ArnPattern("arn:{partition}:ssm:{region}:{account}:parameter{name}")
    operator_sid = "Secret"
    operator_actions = actions(
        "ssm", "PutParameter GetParameter DeleteParameter AddTagsToResource ListTagsForResource"
    )
    left_out = "CloudFormation cannot create a SecureString parameter; the functions only need its name"

    @classmethod
    def name_in(cls, arn: str) -> str | None:
        """The ARN has one slash before the name; only a name with more slashes in it begins with one."""
        name = super().name_in(arn)
        return name.removeprefix("/") if name and name.count("/") == 1 else name

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        name = identity["parameter_name"]
        try:
            parameter = self._client.get_parameter(Name=name, WithDecryption=True)["Parameter"]
            tags = self._context.tags_of(parameter["ARN"], lambda: self._tags(name))
        except NotFound:
            return None
        return Live(
            id=parameter["ARN"],
            fields={
                "parameter_name": name,
                "type": parameter["Type"],
                "value": Secret(parameter["Value"]),
                "tags": tags,
            },
            outputs={"arn": parameter["ARN"]},
            owner=tags.get(STACK_TAG),
        )

    def create(self, desired: Mapping[str, Any]) -> Live:
        value = desired["value"]
        secret = Secret(secrets.token_hex(value.size_bytes)) if isinstance(value, Generated) else value
        self._client.put_parameter(
            Name=desired["parameter_name"],
            Type=desired["type"],
            Value=secret.reveal(),
            Tags=tag_list(desired["tags"]),
        )
        arn = self.arn.of(self._context.place, desired["parameter_name"])
        return Live(arn, {**desired, "value": secret}, {"arn": arn}, desired["tags"].get(STACK_TAG))

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        name = desired["parameter_name"]
        if "tags" in changed:
            self._client.add_tags_to_resource(
                ResourceType="Parameter", ResourceId=name, Tags=tag_list(desired["tags"])
            )
        if "value" in changed:
            # Tags cannot be given together with Overwrite.
            self._client.put_parameter(
                Name=name, Type=desired["type"], Value=desired["value"].reveal(), Overwrite=True
            )
        return Live(live.id, {**live.fields, **desired}, live.outputs, live.owner)

    def _tags(self, name: str) -> Mapping[str, str]:
        answer = self._client.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)
        return tag_map(answer.get("TagList", []))

    def delete(self, live: Live) -> None:
        try:
            self._client.delete_parameter(Name=live.fields["parameter_name"])
        except NotFound:
            return
