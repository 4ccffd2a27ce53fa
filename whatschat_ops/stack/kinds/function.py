"""A Lambda function from a zip, with every change published as a version.

Order of an update: code, wait, configuration, wait, publish. An update while another is in progress is answered
with 409 (ResourceConflictException) and repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from whatschat_ops.config.names import LIVE_ALIAS, STACK_TAG
from whatschat_ops.errors import PROVISION, AwsError, Conflict, Hint, NotFound, Unusable
from whatschat_ops.provision import Live, Reference, Resource, contains
from whatschat_ops.provision.values import digest
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_documents import actions, trusts
from whatschat_ops.stack.kinds.alias import read_alias
from whatschat_ops.stack.kinds.context import AwsKind, tag_list_property
from whatschat_ops.stack.kinds.declaration import (
    ArnPattern,
    AwsField,
    CloudFormationType,
    get_att,
    ref,
    retained,
)
from whatschat_ops.stack.lambdas.versions import list_configurations

T = TypeVar("T")

READY_TIMEOUT_S = 300.0
ROLE_TIMEOUT_S = 60.0
"""A fresh role is usable after 5 to 30 seconds."""

CODE = frozenset({"code_sha256", "architecture"})
CONFIGURATION = frozenset({"runtime", "handler", "role_arn", "memory_mb", "timeout_s", "environment"})
NO_RESERVATION = "none"
COMPARABLE = CODE | CONFIGURATION
"""What a version consists of, as far as we set it."""


class Function(AwsKind):
    """`zip` are the bytes whose base64 SHA-256 is `code_sha256`. `published`: the newest version is what runs next.

    `reserved_concurrency`: how many of it may run at once, which others then cannot use, or `NO_RESERVATION`. Left alone where
    it is not given.
    """

    name = "function"
    service = "lambda"
    identity = ("function_name",)
    fields: ClassVar[Mapping[str, AwsField]] = {
        "function_name": AwsField(cfn="FunctionName"),
        "runtime": AwsField(cfn="Runtime"),
        "handler": AwsField(cfn="Handler"),
        "architecture": AwsField(cfn=lambda name: {"Architectures": [name]}),
        "memory_mb": AwsField(cfn="MemorySize"),
        "timeout_s": AwsField(cfn="Timeout"),
        "role_arn": AwsField(cfn="Role"),
        "environment": AwsField(cfn=lambda variables: {"Environment": {"Variables": variables}}),
        "reserved_concurrency": AwsField(
            cfn=lambda limit: {} if limit == NO_RESERVATION else {"ReservedConcurrentExecutions": limit}
        ),
        "code_sha256": AwsField(cfn="CodeSha256", part="Version"),
        "zip": AwsField(input_only=True, cfn="Code"),
        "published": AwsField(left_out="the Version resource is what publishes"),
        "tags": AwsField(matches=contains, steady=True, cfn=tag_list_property),
    }
    arn: ClassVar[ArnPattern] = ArnPattern("arn:{partition}:lambda:{region}:{account}:function:{name}")
    operator_sid = "Functions"
    operator_actions = actions(
        "lambda",
        "CreateFunction GetFunction GetFunctionConfiguration UpdateFunctionCode UpdateFunctionConfiguration "
        "DeleteFunction PublishVersion ListVersionsByFunction TagResource ListTags",
    )
    template = (
        CloudFormationType("AWS::Lambda::Function"),
        CloudFormationType(
            "AWS::Lambda::Version",
            part="Version",
            own=lambda address: {"FunctionName": Reference(address, "function_name")},
            renewed=True,
            # An older version is what a rollback goes back to. It is deleted with its function.
            attributes=retained("Retain"),
        ),
    )
    template_outputs: ClassVar = {"function_name": ref, "version": get_att("Version", "Version")}

    @classmethod
    def arns(cls, resource: Resource, place: Place) -> list[str]:
        """Its versions and aliases, too."""
        return [f"{arn}{end}" for arn in super().arns(resource, place) for end in ("", ":*")]

    volatile = frozenset({"version", "content"})

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        name = identity["function_name"]
        try:
            answer = self._client.get_function(FunctionName=name)
            latest = answer["Configuration"]
            version = self._published_version(name, latest)
        except NotFound:
            return None
        tags = answer.get("Tags", {})
        return Live(
            id=latest["FunctionArn"],
            fields={
                "function_name": name,
                **_comparable(latest),
                "reserved_concurrency": answer.get("Concurrency", {}).get(
                    "ReservedConcurrentExecutions", NO_RESERVATION
                ),
                "published": version is not None and _is_ready(latest),
                "tags": tags,
            },
            outputs=_outputs(latest["FunctionArn"], version, _comparable(latest)),
            owner=tags.get(STACK_TAG),
        )

    def create(self, desired: Mapping[str, Any]) -> Live:
        name = desired["function_name"]
        made = self._with_role(
            desired["role_arn"],
            lambda: self._client.create_function(
                FunctionName=name,
                Code={"ZipFile": desired["zip"]},
                Architectures=[desired["architecture"]],
                Publish=True,
                Tags=desired["tags"],
                **_configuration(desired),
            ),
        )
        self._until_ready(name, made)
        if desired.get("reserved_concurrency", NO_RESERVATION) != NO_RESERVATION:
            self._reserve(desired)
        arn = self.arn.of(self._context.place, name)
        return _as_published(arn, desired, made["Version"])

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        name = desired["function_name"]
        if "tags" in changed:
            self._client.tag_resource(Resource=live.id, Tags=desired["tags"])
        if not live.fields["published"]:  # else it was ready
            self._until_ready(name)
        if "reserved_concurrency" in changed:
            self._reserve(desired)
        if changed & CODE:
            answer = self._when_idle(
                name,
                lambda: self._client.update_function_code(
                    FunctionName=name, ZipFile=desired["zip"], Architectures=[desired["architecture"]]
                ),
            )
            self._until_ready(name, answer)
        if changed & CONFIGURATION:
            answer = self._with_role(
                desired["role_arn"],
                lambda: self._when_idle(
                    name,
                    lambda: self._client.update_function_configuration(
                        FunctionName=name, **_configuration(desired)
                    ),
                ),
            )
            self._until_ready(name, answer)
        if changed & (CODE | CONFIGURATION) or ("published" in changed and not self._is_published(name)):
            version = self._publish(name, desired["code_sha256"])
            return _as_published(live.id, {**live.fields, **desired}, version)
        return self._require(name)

    def delete(self, live: Live) -> None:
        name = live.fields["function_name"]
        try:
            self._when_idle(name, lambda: self._client.delete_function(FunctionName=name))
        except NotFound:
            return

    def _reserve(self, desired: Mapping[str, Any]) -> None:
        name, wanted = desired["function_name"], desired["reserved_concurrency"]
        if wanted == NO_RESERVATION:
            self._client.delete_function_concurrency(FunctionName=name)
        else:
            self._client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=wanted)

    def _publish(self, name: str, code_sha256: str) -> str:
        """Publish what was uploaded, and give the version: AWS refuses if other code was uploaded in between."""
        made = self._when_idle(
            name, lambda: self._client.publish_version(FunctionName=name, CodeSha256=code_sha256)
        )
        return str(made["Version"])

    def _is_published(self, name: str) -> bool:
        """A function that was not ready when it was read (a run was killed) may have its version by now."""
        live = self.read({"function_name": name})
        return live is not None and bool(live.fields["published"])

    def _require(self, name: str) -> Live:
        return self._context.waiting.until(
            f"the function {name} does not appear", lambda: self.read({"function_name": name}), timeout_s=60
        )

    def _published_version(self, name: str, latest: Mapping[str, Any]) -> str | None:
        """The newest version, if it is the same as $LATEST.

        While a plan is made, what the alias says of the version that it points to is enough if it is true of $LATEST:
        the alias is read anyway, and a version never changes.
        """
        if self._context.shared and (live := self._live_version(name, latest)) is not None:
            return live
        versions = [v for v in list_configurations(self._client, name) if v["Version"].isdigit()]
        newest = max(versions, key=lambda version: int(version["Version"]), default=None)
        if newest is None or _comparable(newest) != _comparable(latest):
            return None
        return str(newest["Version"])

    def _live_version(self, name: str, latest: Mapping[str, Any]) -> str | None:
        try:
            alias = read_alias(self._context, name, LIVE_ALIAS)
        except NotFound:
            return None
        same = alias.history.content == digest(_comparable(latest))
        return alias.routing.version if same and alias.routing.canary is None else None

    def _until_ready(self, name: str, answer: Mapping[str, Any] | None = None) -> None:
        """Wait until the function can be used. `answer`: what a change just said of it, which may be enough."""
        answers = iter([answer] if answer else [])

        def probe() -> bool | None:
            configuration = next(answers, None) or self._client.get_function_configuration(FunctionName=name)
            if "Failed" in (configuration.get("State"), configuration.get("LastUpdateStatus")):
                reason = configuration.get("LastUpdateStatusReason") or configuration.get("StateReason")
                raise Unusable(f"The function {name} cannot be used: {reason or 'Lambda gives no reason'}.")
            return True if _is_ready(configuration) else None

        self._context.waiting.until(f"the function {name} is not ready", probe, timeout_s=READY_TIMEOUT_S)

    def _when_idle(self, name: str, call: Callable[[], T]) -> T:
        return self._context.waiting.repeat(
            call,
            while_=lambda error: isinstance(error, Conflict),
            why=f"The function {name} is being changed; waiting for it.",
            timeout_s=READY_TIMEOUT_S,
        )

    def _with_role(self, role_arn: str, call: Callable[[], T]) -> T:
        """Repeat `call` while Lambda does not know the role yet; a role that it may never assume fails at once."""

        def not_yet(error: AwsError) -> bool:
            if "cannot be assumed by Lambda" not in error.message:
                return False
            self._require_trust(role_arn)
            return True

        return self._context.waiting.repeat(
            call,
            while_=not_yet,
            why="Waiting for IAM: Lambda cannot assume the new role yet (this takes up to 30 s).",
            timeout_s=ROLE_TIMEOUT_S,
        )

    def _require_trust(self, role_arn: str) -> None:
        name = role_arn.rpartition("/")[2]
        trust = self._context.client("iam").get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        if not trusts(trust, "lambda.amazonaws.com"):
            raise Unusable(
                f"Lambda cannot assume the role {name}: its trust policy does not name lambda.amazonaws.com.",
                hint=Hint(PROVISION.argv, "Provisioning repairs the trust policy of the stack's own role"),
            )


def _comparable(configuration: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "runtime": configuration.get("Runtime"),
        "handler": configuration.get("Handler"),
        "architecture": (configuration.get("Architectures") or ["x86_64"])[0],
        "memory_mb": configuration["MemorySize"],
        "timeout_s": configuration["Timeout"],
        "role_arn": configuration["Role"],
        "environment": configuration.get("Environment", {}).get("Variables", {}),
        "code_sha256": configuration["CodeSha256"],
    }


def _outputs(arn: str, version: str | None, comparable: Mapping[str, Any]) -> dict[str, Any]:
    return {"arn": arn, "version": version, "content": digest(comparable) if version else None}


def _as_published(arn: str, fields: Mapping[str, Any], version: str) -> Live:
    """The function right after a change: its newest version is what was wanted."""
    comparable = {name: fields[name] for name in COMPARABLE}
    live = {
        "function_name": fields["function_name"],
        **comparable,
        "reserved_concurrency": fields.get("reserved_concurrency", NO_RESERVATION),
        "published": True,
        "tags": fields["tags"],
    }
    return Live(arn, live, _outputs(arn, version, comparable), fields["tags"].get(STACK_TAG))


def _configuration(desired: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Runtime": desired["runtime"],
        "Handler": desired["handler"],
        "Role": desired["role_arn"],
        "MemorySize": desired["memory_mb"],
        "Timeout": desired["timeout_s"],
        "Environment": {"Variables": desired["environment"]},
    }


def _is_ready(configuration: Mapping[str, Any]) -> bool:
    return (
        configuration.get("State", "Active") in ("Active", "Inactive")
        and configuration.get("LastUpdateStatus", "Successful") == "Successful"
    )
