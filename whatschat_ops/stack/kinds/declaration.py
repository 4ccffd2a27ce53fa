"""What a kind of AWS resource declares beside its verbs: its ARN, the CloudFormation properties of its fields. Data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from whatschat_ops.provision import Field, Resource
from whatschat_ops.provision.kind import NOTHING
from whatschat_ops.stack.arns import Place

Properties = Mapping[str, Any]
"""Properties of a CloudFormation resource: name -> value, with `Reference`s and `Text`s still in it."""
LogicalId = Callable[[str], str]
"""Part of a kind ("" for the first) -> the logical id of that resource in the template."""
ONE_OF_EACH = "CloudFormation creates one of each and knows its id"
"""Why `surplus` is in no template."""
TemplateOutputs = Mapping[str, Callable[[LogicalId], Properties]]
"""Field or output of a kind -> the intrinsic function that gives it in a template."""


class ArnPattern(Struct, frozen=True):
    """An ARN with `{partition}`, `{region}`, `{account}` and `{name}` in it.

    >>> table = ArnPattern("arn:{partition}:dynamodb:{region}:{account}:table/{name}")
    >>> table.of(Place("eu-west-1", "123456789012"), "connections")
    'arn:aws:dynamodb:eu-west-1:123456789012:table/connections'
    >>> table.name_in("arn:aws:dynamodb:eu-west-1:123456789012:table/connections")
    'connections'
    """

    pattern: str

    def of(self, place: Place, name: str) -> str:
        """The ARN of the resource called `name`."""
        return self.pattern.format(
            partition=place.partition, region=place.region, account=place.account_id, name=name
        )

    def name_in(self, arn: str) -> str | None:
        """The name in an ARN; None if it is an ARN of something else."""
        parts = re.split(r"\{(\w+)\}", self.pattern)
        groups = {"name": "(?P<name>.+)"}
        literal, names = parts[::2], [groups.get(name, "[^:]*") for name in parts[1::2]]
        expression = "".join(
            f"{re.escape(text)}{group}" for text, group in zip(literal, [*names, ""], strict=True)
        )
        found = re.fullmatch(expression, arn)
        return found["name"] if found else None


class Granted(Struct, frozen=True):
    """What the operator's statements of a kind are about: its resources in the stack, where they are, in which API.

    `actions` are the kind's own and those of kinds that are `operator_on` it.
    """

    resources: Sequence[Resource]
    actions: Sequence[str]
    place: Place
    api_id: str


class AwsField(Field, frozen=True):
    """A field, and what it sets in a CloudFormation template.

    `cfn` is the property's name, or makes properties of the field's value; properties of the same name are joined when they
    are lists or mappings. `part` says in which of the kind's types. `left_out` is the reason why no template has it: one of
    `cfn` and `left_out` is given.
    """

    cfn: str | Callable[[Any], Properties] | None = None
    part: str = ""
    left_out: str | None = None

    def properties(self, value: Any) -> Properties:
        """The properties for a value of the field; none when it is None or left out."""
        if isinstance(self.cfn, str):
            return {} if value is None else {self.cfn: value}
        return NOTHING if self.cfn is None else self.cfn(value)


class CloudFormationType(Struct, frozen=True):
    """One resource of a template; the properties are those of the CloudFormation resource reference.

    `part` tells the several that one resource of ours becomes apart. `own` are properties that come from no field;
    it is given the address. `renewed`: CloudFormation cannot change it in place, or a change would not do what it
    says, so a digest in the logical id replaces it whenever anything in its kind's properties changes.
    `attributes` (DeletionPolicy and such) is given the fields. `waits_in` is the path of the property that carries the
    order after a resource with a condition, which DependsOn may not name.
    """

    type: str
    part: str = ""
    own: Callable[[str], Properties] = lambda _address: NOTHING
    renewed: bool = False
    attributes: Callable[[Properties], Properties] = lambda _fields: NOTHING
    waits_in: tuple[str, str] | None = None


def ref(logical_id: LogicalId) -> Properties:
    """An output that CloudFormation gives as `Ref`."""
    return {"Ref": logical_id("")}


def get_att(attribute: str, part: str = "") -> Callable[[LogicalId], Properties]:
    """An output that CloudFormation gives as an attribute of one of the kind's types."""
    return lambda logical_id: {"Fn::GetAtt": [logical_id(part), attribute]}


def retained(policy: str) -> Callable[[Properties], Properties]:
    """What happens to the resource when its stack is deleted or it is replaced: `Retain` or `Delete`."""
    return lambda _fields: {"DeletionPolicy": policy, "UpdateReplacePolicy": policy}
