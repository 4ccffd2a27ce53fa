"""Where the functions' code is for CloudFormation: in S3, under the SHA-256 of the zip.

A template may hold a single source file at most. A key that is the content's hash is never overwritten, so a template
always means the same code, and unchanged code is not uploaded again.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names
from whatschat_ops.errors import NotFound
from whatschat_ops.packaging import FunctionPackage

CODE_BUCKET = "CodeBucket"
CODE_PREFIX = "CodePrefix"
"""Names of the template's parameters."""


@dataclass(frozen=True, slots=True)
class CodeObject:
    """The zip of one function in S3. `bucket` is None when it is left to whoever deploys the template.

    `uploaded` is None unless an upload was asked for, and false when the object was there already.
    """

    function: str
    bucket: str | None
    key: str
    size_bytes: int
    code_sha256: str
    uploaded: bool | None = None


def object_name(package: FunctionPackage) -> str:
    """The key without its prefix: the zip's SHA-256 in hex."""
    return f"{base64.b64decode(package.sha256_base64).hex()}.zip"


def code_property(package: FunctionPackage) -> dict[str, object]:
    """The `Code` of an AWS::Lambda::Function."""
    return {
        "S3Bucket": {"Ref": CODE_BUCKET},
        "S3Key": {"Fn::Sub": f"${{{CODE_PREFIX}}}{object_name(package)}"},
    }


def code_objects(
    packages: Mapping[str, FunctionPackage], names: Names, bucket: str | None, prefix: str
) -> tuple[CodeObject, ...]:
    """One object for every function."""
    return tuple(
        CodeObject(
            names.function(short),
            bucket,
            f"{prefix}{object_name(package)}",
            package.size_bytes,
            package.sha256_base64,
        )
        for short, package in packages.items()
    )


def ensure_object(aws: Aws, bucket: str, key: str, content: bytes) -> bool:
    """Put the object unless it is there. Whether it was put. Raises AwsError."""
    s3 = aws.client("s3")
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except NotFound:
        s3.put_object(Bucket=bucket, Key=key, Body=content)
        return True
    return False
