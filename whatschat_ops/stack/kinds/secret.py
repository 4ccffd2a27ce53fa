"""A secret string in SSM Parameter Store (SecureString, under AWS's own key)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import NotFound
from whatschat_ops.handlers.token_rules import MIN_SECRET_BYTES
from whatschat_ops.provision import Field, Kind, Live, contains
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.kinds.context import Context, tag_list, tag_map


@dataclass(frozen=True, slots=True)
class Generated:
    """Any value will do: one that is there is kept, else `size_bytes` random bytes are written as hex digits."""

    size_bytes: int = MIN_SECRET_BYTES


def _matches(live: Any, desired: Any) -> bool:
    return isinstance(desired, Generated) or bool(live == desired)


class SecretParameter(Kind):
    """`value` is a `Secret`, or `Generated`."""

    name = "secret"
    identity = ("parameter_name",)
    fields: ClassVar[Mapping[str, Field]] = {
        "parameter_name": Field(),
        "type": Field(replaces="SSM cannot change the type of a parameter in place"),
        "value": Field(sensitive=True, matches=_matches),
        "tags": Field(matches=contains),
    }

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def _ssm(self) -> Any:
        return self._context.client("ssm")

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        name = identity["parameter_name"]
        try:
            parameter = self._ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]
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
        self._ssm.put_parameter(
            Name=desired["parameter_name"],
            Type=desired["type"],
            Value=secret.reveal(),
            Tags=tag_list(desired["tags"]),
        )
        arn = self._context.place.parameter(desired["parameter_name"])
        return Live(arn, {**desired, "value": secret}, {"arn": arn}, desired["tags"].get(STACK_TAG))

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        name = desired["parameter_name"]
        if "tags" in changed:
            self._ssm.add_tags_to_resource(
                ResourceType="Parameter", ResourceId=name, Tags=tag_list(desired["tags"])
            )
        if "value" in changed:
            # Tags cannot be given together with Overwrite.
            self._ssm.put_parameter(
                Name=name, Type=desired["type"], Value=desired["value"].reveal(), Overwrite=True
            )
        return Live(live.id, {**live.fields, **desired}, live.outputs, live.owner)

    def _tags(self, name: str) -> Mapping[str, str]:
        answer = self._ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)
        return tag_map(answer.get("TagList", []))

    def delete(self, live: Live) -> None:
        try:
            self._ssm.delete_parameter(Name=live.fields["parameter_name"])
        except NotFound:
            return
