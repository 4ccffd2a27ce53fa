"""A Lambda function from a zip, with every change published as a version.

Order of an update: code, wait, configuration, wait, publish. An update while another is in progress is answered
with 409 (ResourceConflictException) and repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import AwsError, Conflict, NotFound, Rejected
from whatschat_ops.provision import Field, Kind, Live, contains
from whatschat_ops.stack.kinds.context import Context
from whatschat_ops.stack.versions import list_configurations

T = TypeVar("T")

READY_TIMEOUT_S = 300.0
ROLE_TIMEOUT_S = 60.0
"""A fresh role is usable after 5 to 30 seconds."""

CODE = frozenset({"code_sha256", "architecture"})
CONFIGURATION = frozenset({"runtime", "handler", "role_arn", "memory_mb", "timeout_s", "environment"})


class Function(Kind):
    """`zip` are the bytes whose base64 SHA-256 is `code_sha256`. `published`: the newest version is what runs next."""

    name = "function"
    identity = ("function_name",)
    fields: ClassVar[Mapping[str, Field]] = {
        "function_name": Field(),
        "runtime": Field(),
        "handler": Field(),
        "architecture": Field(),
        "memory_mb": Field(),
        "timeout_s": Field(),
        "role_arn": Field(),
        "environment": Field(),
        "code_sha256": Field(),
        "zip": Field(input_only=True),
        "published": Field(),
        "tags": Field(matches=contains, steady=True),
    }
    volatile = frozenset({"version"})

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def _lambda(self) -> Any:
        return self._context.client("lambda")

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        name = identity["function_name"]
        try:
            answer = self._lambda.get_function(FunctionName=name)
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
                "published": version is not None and _is_ready(latest),
                "tags": tags,
            },
            outputs={"arn": latest["FunctionArn"], "version": version},
            owner=tags.get(STACK_TAG),
        )

    def create(self, desired: Mapping[str, Any]) -> Live:
        name = desired["function_name"]
        self._with_role(
            desired["role_arn"],
            lambda: self._lambda.create_function(
                FunctionName=name,
                Code={"ZipFile": desired["zip"]},
                Architectures=[desired["architecture"]],
                Publish=True,
                Tags=desired["tags"],
                **_configuration(desired),
            ),
        )
        self._until_ready(name)
        return self._require(name)

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        name = desired["function_name"]
        if "tags" in changed:
            self._lambda.tag_resource(Resource=live.id, Tags=desired["tags"])
        self._until_ready(name)
        if changed & CODE:
            self._when_idle(
                name,
                lambda: self._lambda.update_function_code(
                    FunctionName=name, ZipFile=desired["zip"], Architectures=[desired["architecture"]]
                ),
            )
            self._until_ready(name)
        if changed & CONFIGURATION:
            self._with_role(
                desired["role_arn"],
                lambda: self._when_idle(
                    name,
                    lambda: self._lambda.update_function_configuration(
                        FunctionName=name, **_configuration(desired)
                    ),
                ),
            )
            self._until_ready(name)
        if changed & (CODE | CONFIGURATION) or ("published" in changed and not self._is_published(name)):
            self._publish(name, desired["code_sha256"])
        return self._require(name)

    def delete(self, live: Live) -> None:
        name = live.fields["function_name"]
        try:
            self._when_idle(name, lambda: self._lambda.delete_function(FunctionName=name))
        except NotFound:
            return

    def _publish(self, name: str, code_sha256: str) -> None:
        """Publish what was uploaded: AWS refuses if somebody else's code came in between."""
        self._when_idle(name, lambda: self._lambda.publish_version(FunctionName=name, CodeSha256=code_sha256))

    def _is_published(self, name: str) -> bool:
        """A function that was not ready when it was read (a run was killed) may have its version by now."""
        live = self.read({"function_name": name})
        return live is not None and bool(live.fields["published"])

    def _require(self, name: str) -> Live:
        return self._context.waiting.until(
            f"the function {name} does not appear", lambda: self.read({"function_name": name}), timeout_s=60
        )

    def _published_version(self, name: str, latest: Mapping[str, Any]) -> str | None:
        """The newest version, if it is the same as $LATEST."""
        versions = [v for v in list_configurations(self._lambda, name) if v["Version"].isdigit()]
        newest = max(versions, key=lambda version: int(version["Version"]), default=None)
        if newest is None or _comparable(newest) != _comparable(latest):
            return None
        return str(newest["Version"])

    def _until_ready(self, name: str) -> None:
        def probe() -> bool | None:
            configuration = self._lambda.get_function_configuration(FunctionName=name)
            if "Failed" in (configuration.get("State"), configuration.get("LastUpdateStatus")):
                reason = configuration.get("LastUpdateStatusReason") or configuration.get("StateReason")
                raise Rejected(f"The function {name} cannot be used: {reason or 'Lambda gives no reason'}.")
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
        if not any(_trusts_lambda(statement) for statement in trust["Statement"]):
            raise Rejected(
                f"Lambda cannot assume the role {name}: its trust policy does not name lambda.amazonaws.com.",
                hint="whatschat-ops provision  # repairs the trust policy of our own role",
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


def _trusts_lambda(statement: Mapping[str, Any]) -> bool:
    services = statement.get("Principal", {}).get("Service", [])
    services = [services] if isinstance(services, str) else services
    return statement.get("Effect") == "Allow" and "lambda.amazonaws.com" in services
