"""Resources -> a CloudFormation template. Pure.

References become Ref, Fn::GetAtt or Fn::Sub; what a resource must come after, without referring to it, becomes
DependsOn. The template names no account, Region or partition: it is the same for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from whatschat_ops.provision import Digest, Reference, Resource, Text
from whatschat_ops.provision.values import digest
from whatschat_ops.stack.kinds import KINDS
from whatschat_ops.stack.kinds.declaration import CloudFormationType

Part = tuple[CloudFormationType, dict[str, Any]]
"""A type and its properties, rendered."""

_VARIABLE = re.compile(r"\$\{([A-Za-z0-9]+)(?:\.[A-Za-z.]+)?\}")
_LITERAL_DOLLAR = re.compile(r"\$\{(?!AWS::)")


def build_template(
    resources: Iterable[Resource],
    *,
    description: str,
    parameters: Mapping[str, Any],
    outputs: Mapping[str, Any],
) -> dict[str, Any]:
    """The template of `resources`. `outputs` may hold references and texts.

    Conditions are made of parameters whose name a resource's `Condition` gives; their value is `true` or `false`.
    """
    builder = _Builder({resource.address: resource for resource in resources})
    made = builder.resources()
    conditions = {body["Condition"] for body in made.values() if "Condition" in body}
    used = set(_names_in(made)) | conditions
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": description,
        "Parameters": {name: body for name, body in parameters.items() if name in used},
        **(
            {"Conditions": {n: {"Fn::Equals": [{"Ref": n}, "true"]} for n in sorted(conditions)}}
            if conditions
            else {}
        ),
        "Resources": made,
        "Outputs": {name: {**body, "Value": builder.render(body["Value"])} for name, body in outputs.items()},
    }


class _Builder:
    def __init__(self, resources: Mapping[str, Resource]) -> None:
        self._resources = resources
        self._parts: dict[str, list[Part]] = {}

    def resources(self) -> dict[str, Any]:
        return {
            self._logical_id(address, type_.part): self._body(address, type_, properties)
            for address, resource in self._resources.items()
            for type_, properties in self._parts_of(address)
        }

    def render(self, value: Any) -> Any:
        """`value` with intrinsic functions for what CloudFormation has to fill in."""
        if isinstance(value, Reference):
            return self._reference(value)
        if isinstance(value, Text):
            return self._text(value)
        if isinstance(value, Digest):
            raise TypeError("a digest of what is not known yet cannot be said in a template")
        if isinstance(value, str):
            return {"Fn::Sub": value} if "${AWS::" in value else value
        if isinstance(value, Mapping):
            return value if _is_intrinsic(value) else {key: self.render(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.render(item) for item in value]
        return value

    def _body(self, address: str, type_: CloudFormationType, properties: dict[str, Any]) -> dict[str, Any]:
        resource = self._resources[address]
        before = self._before(resource)
        depends_on = {name for name, condition in before.items() if condition is None}
        if type_.waits_in is not None:
            for name, condition in before.items():
                if condition is not None:
                    properties = _waiting(properties, type_.waits_in, name, condition)
        depends_on -= set(_names_in(properties))
        return {
            "Type": type_.type,
            **type_.attributes(resource.fields),
            **({"DependsOn": sorted(depends_on)} if depends_on and not type_.part else {}),
            "Properties": properties,
        }

    def _before(self, resource: Resource) -> dict[str, str | None]:
        """What must be there first: the last part of all that is depended on -> its condition."""
        found = {}
        for address in sorted(resource.dependencies):
            before = self._resources[address]
            types = KINDS[before.kind].template
            lasting = [type_ for type_ in types if not type_.renewed or type_ is types[0]]
            if lasting:
                last = lasting[-1]
                found[self._logical_id(address, last.part)] = last.attributes(before.fields).get("Condition")
        return found

    def _parts_of(self, address: str) -> list[Part]:
        if address not in self._parts:
            resource = self._resources[address]
            self._parts[address] = [
                (type_, self.render(_properties(resource, type_))) for type_ in KINDS[resource.kind].template
            ]
        return self._parts[address]

    def _logical_id(self, address: str, part: str = "") -> str:
        resource = self._resources[address]
        words = (*re.split(r"\W|_", resource.kind), *re.split(r"\W|_", resource.name), part)
        plain = "".join(word[:1].upper() + word[1:] for word in words)
        type_ = next(type_ for type_ in KINDS[resource.kind].template if type_.part == part)
        if not type_.renewed:
            return plain
        everything = [properties for _, properties in self._parts_of(address)]
        return f"{plain}{digest(everything)[:8]}"

    def _reference(self, reference: Reference) -> Any:
        target = self._resources[reference.address]
        output = KINDS[target.kind].template_outputs.get(reference.attribute)
        if output is None:
            return self.render(target.fields[reference.attribute])
        return output(lambda part: self._logical_id(reference.address, part))

    def _text(self, value: Text) -> Any:
        parts = [self.render(part) if isinstance(part, Reference) else part for part in value.parts]
        names = [_as_variable(part) for part in parts]
        if all(name is not None for name in names):
            return {"Fn::Sub": "".join(name or "" for name in names)}
        return {"Fn::Join": ["", [self.render(part) for part in parts]]}


def _properties(resource: Resource, type_: CloudFormationType) -> dict[str, Any]:
    properties: dict[str, Any] = dict(type_.own(resource.address))
    for name, field in KINDS[resource.kind].fields.items():
        if name in resource.fields and field.part == type_.part:
            for key, value in field.properties(resource.fields[name]).items():
                properties[key] = _joined(properties.get(key), value)
    return properties


def _joined(old: Any, new: Any) -> Any:
    if isinstance(old, list):
        return [*old, *(item for item in new if item not in old)]
    return {**old, **new} if isinstance(old, dict) else new


def _waiting(properties: dict[str, Any], path: tuple[str, str], name: str, condition: str) -> dict[str, Any]:
    """The same properties, the one at `path` mentioning `name` if `condition` is true."""
    outer, inner = path
    value = properties[outer][inner]
    after = {"Fn::If": [condition, {"Fn::Select": [0, [value, {"Ref": name}]]}, value]}
    return {**properties, outer: {**properties[outer], inner: after}}


def _is_intrinsic(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::"))


def _as_variable(part: Any) -> str | None:
    """A part of a text as Fn::Sub writes it; None if it needs Fn::Join."""
    if isinstance(part, str):
        return _LITERAL_DOLLAR.sub("${!", part)
    if "Ref" in part:
        return f"${{{part['Ref']}}}"
    if "Fn::GetAtt" in part:
        return f"${{{'.'.join(part['Fn::GetAtt'])}}}"
    return None


def _names_in(value: Any) -> Iterator[str]:
    """Every logical id or parameter that an intrinsic function in `value` names."""
    if isinstance(value, Mapping):
        if isinstance(value.get("Ref"), str):
            yield value["Ref"]
        elif "Fn::GetAtt" in value:
            yield value["Fn::GetAtt"][0]
        elif isinstance(value.get("Fn::Sub"), str):
            yield from _VARIABLE.findall(value["Fn::Sub"])
        else:
            for item in value.values():
                yield from _names_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _names_in(item)
