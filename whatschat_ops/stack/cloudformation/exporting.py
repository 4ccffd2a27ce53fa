"""Settings -> the template, its code in S3, and the commands that deploy it. Calls AWS only to upload."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import Hint
from whatschat_ops.packaging import FunctionPackage
from whatschat_ops.provision import Reference, Resource, text
from whatschat_ops.stack.arns import TemplatePlace
from whatschat_ops.stack.cloudformation.code import (
    CODE_BUCKET,
    CODE_PREFIX,
    CodeObject,
    code_objects,
    code_property,
    ensure_object,
)
from whatschat_ops.stack.cloudformation.template import build_template
from whatschat_ops.stack.kinds.log_role import SET_LOG_ROLE
from whatschat_ops.stack.parts.blueprint import API, Blueprint
from whatschat_ops.stack.resources import stack_resources

Format = Literal["yaml", "json"]

BUILD_DIRECTORY = "build"


@dataclass(frozen=True, slots=True)
class ExportedTemplate:
    """A template for the stack `stack`, where its code has to be, and what to run next, in this order."""

    stack: str
    output: Path | None
    template: Mapping[str, Any]
    code: tuple[CodeObject, ...]
    next_commands: tuple[str | Hint, ...]


def export_template(
    settings: Settings,
    packages: Mapping[str, FunctionPackage],
    *,
    bucket: str | None = None,
    prefix: str = "",
    output: Path | None = None,
) -> ExportedTemplate:
    """The template of the stack of `settings` with the code of `packages`. Pure."""
    names = Names(settings)
    wanted = stack_resources(Blueprint(settings, TemplatePlace(), packages)).wanted
    template = build_template(
        [_with_code(resource, packages) for resource in wanted],
        description=f"{names.stack}: WebSocket API, its Lambda functions and DynamoDB tables (whatschat-ops export)",
        parameters=_parameters(bucket, prefix),
        outputs=_outputs(settings),
    )
    code = code_objects(packages, names, bucket, prefix)
    return ExportedTemplate(names.stack, output, template, code, _next_commands(names, code, output))


def upload_code(
    exported: ExportedTemplate, packages: Mapping[str, FunctionPackage], names: Names, aws: Aws
) -> ExportedTemplate:
    """Put the code into its bucket, where it is missing. Raises AwsError."""
    contents = {names.function(short): package.zip_bytes for short, package in packages.items()}
    code = tuple(
        replace(each, uploaded=ensure_object(aws, each.bucket or "", each.key, contents[each.function]))
        for each in exported.code
    )
    return replace(exported, code=code, next_commands=_next_commands(names, code, exported.output))


def template_text(template: Mapping[str, Any], format_: Format) -> str:
    """The template as a file."""
    if format_ == "json":
        return json.dumps(template, indent=2) + "\n"
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML names it
            return True  # CloudFormation does not take YAML's anchors

    return yaml.dump(dict(template), Dumper=Dumper, sort_keys=False, width=120, allow_unicode=True)


def _with_code(resource: Resource, packages: Mapping[str, FunctionPackage]) -> Resource:
    if resource.kind != "function":
        return resource
    return msgspec.structs.replace(
        resource, fields={**resource.fields, "zip": code_property(packages[resource.name])}
    )


def _parameters(bucket: str | None, prefix: str) -> dict[str, Any]:
    return {
        CODE_BUCKET: {
            "Type": "String",
            "Description": "S3 bucket of this Region that holds the zips of the functions.",
            **({"Default": bucket} if bucket else {}),
        },
        CODE_PREFIX: {
            "Type": "String",
            "Description": "What the keys of the zips begin with.",
            "Default": prefix,
        },
        SET_LOG_ROLE: {
            "Type": "String",
            "Description": "Whether to set the log role of API Gateway, which is one setting for this Region of the "
            "account. Access logs need one; say true only where GetAccount shows none.",
            "AllowedValues": ["true", "false"],
            "Default": "false",
        },
    }


def _outputs(settings: Settings) -> dict[str, Any]:
    stage = settings.websocket.stage
    return {
        "WebSocketUrl": {
            "Description": "Where clients connect.",
            "Value": text(Reference(API, "endpoint"), "/", stage),
        },
        "CallbackUrl": {
            "Description": "Endpoint of the @connections API (AWS_API_GATEWAY_WEBSOCKET_ENDPOINT).",
            "Value": text(Reference(API, "callback_base"), "/", stage),
        },
        "ConnectionsTable": {
            "Description": "CONNECTIONS_TABLE of the application.",
            "Value": Reference("table.connections", "table_name"),
        },
    }


def _next_commands(names: Names, code: tuple[CodeObject, ...], output: Path | None) -> tuple[str | Hint, ...]:
    """The secret, the code (unless it is uploaded), the deployment."""
    parameter = names.jwt_secret_parameter
    commands: list[str | Hint] = [
        f"aws ssm put-parameter --type SecureString --name {parameter} "
        f'--value "$(openssl rand -hex 32)" --tags Key={STACK_TAG},Value={names.stack}'
    ]
    if any(each.uploaded is None for each in code):
        commands.append(Hint(("lambda", "package", "--output", BUILD_DIRECTORY)))
        commands += [
            f"aws s3 cp {BUILD_DIRECTORY}/{each.function}.zip s3://{each.bucket or 'BUCKET'}/{each.key}"
            for each in code
        ]
    overrides = "" if code and code[0].bucket else f" --parameter-overrides {CODE_BUCKET}=BUCKET"
    commands.append(
        f"aws cloudformation deploy --stack-name {names.stack} --template-file {output or 'TEMPLATE'} "
        f"--capabilities CAPABILITY_NAMED_IAM{overrides}"
    )
    return tuple(commands)
