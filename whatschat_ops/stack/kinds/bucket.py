"""A private S3 bucket whose objects expire: what a broadcast's workers share.

Deleting it deletes our own objects (`runs/`) and then the bucket; S3 refuses when others' objects are in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import AwsError, Conflict, Missing, NotFound, PermissionDenied
from whatschat_ops.provision import Live, Reference, contains
from whatschat_ops.stack.iam_documents import TLS_ONLY, Document, actions, document
from whatschat_ops.stack.kinds.context import AwsKind, tag_list, tag_list_property, tag_map
from whatschat_ops.stack.kinds.declaration import (
    ArnPattern,
    AwsField,
    CloudFormationType,
    Properties,
    ref,
    retained,
)

NO_LOCATION: Final = "us-east-1"
"""The one Region that CreateBucket does not take as a LocationConstraint."""
PUBLIC_ACCESS_BLOCKS: Final = (
    "BlockPublicAcls",
    "IgnorePublicAcls",
    "BlockPublicPolicy",
    "RestrictPublicBuckets",
)
RUNS: Final = "runs"
"""What the keys of a broadcast's objects begin with."""
LIFECYCLE_RULE: Final = "whatschat-ops-runs"


class Bucket(AwsKind):
    """`expiration_days` is when the objects of a run are deleted by S3; `encryption` is the default one (`AES256`).

    `tls_statement` is one statement of the bucket's policy; others' statements are left alone.
    """

    name = "bucket"
    service = "s3"
    identity = ("bucket_name",)
    fields: ClassVar[Mapping[str, AwsField]] = {
        "bucket_name": AwsField(cfn="BucketName"),
        "public_access_blocked": AwsField(
            cfn=lambda on: {"PublicAccessBlockConfiguration": dict.fromkeys(PUBLIC_ACCESS_BLOCKS, on)}
        ),
        "encryption": AwsField(cfn=lambda algorithm: _encryption_property(algorithm)),
        "expiration_days": AwsField(cfn=lambda days: _lifecycle_property(days)),
        "tls_statement": AwsField(
            part="Policy", cfn=lambda statement: {"PolicyDocument": document(statement)}
        ),
        "tags": AwsField(matches=contains, cfn=tag_list_property),
    }
    arn: ClassVar[ArnPattern] = ArnPattern("arn:{partition}:s3:::{name}")
    operator_sid = "Bucket"
    operator_actions = actions(
        "s3",
        "CreateBucket DeleteBucket ListBucket TagResource GetBucketTagging PutBucketTagging "
        "GetBucketPublicAccessBlock PutBucketPublicAccessBlock GetEncryptionConfiguration "
        "PutEncryptionConfiguration GetLifecycleConfiguration PutLifecycleConfiguration "
        "GetBucketPolicy PutBucketPolicy",
    )
    # CloudFormation deletes an empty bucket only: one with runs in it stays.
    template = (
        CloudFormationType("AWS::S3::Bucket", attributes=retained("Retain")),
        CloudFormationType(
            "AWS::S3::BucketPolicy",
            part="Policy",
            own=lambda address: {"Bucket": Reference(address, "bucket_name")},
            attributes=retained("Retain"),
        ),
    )
    template_outputs: ClassVar = {"bucket_name": ref}
    holds_data = True

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        name = identity["bucket_name"]
        if not self._exists(name):
            return None
        tags, arn = self._tags(name), self.arn.of(self._context.place, name)
        return Live(
            id=arn,
            fields={
                "bucket_name": name,
                "public_access_blocked": self._public_access_blocked(name),
                "encryption": self._encryption(name),
                "expiration_days": self._expiration_days(name),
                "tls_statement": next(
                    (each for each in self._statements(name) if each.get("Sid") == TLS_ONLY), None
                ),
                "tags": tags,
            },
            outputs={"arn": arn},
            owner=tags.get(STACK_TAG),
        )

    def create(self, desired: Mapping[str, Any]) -> Live:
        name = desired["bucket_name"]
        region = self._context.aws.region
        place = {} if region == NO_LOCATION else {"LocationConstraint": region}
        self._client.create_bucket(
            Bucket=name, CreateBucketConfiguration={**place, "Tags": tag_list(desired["tags"])}
        )
        made = self._context.waiting.until(
            f"the bucket {name} does not appear", lambda: self.read(desired), timeout_s=60
        )
        if not contains(made.fields["tags"], desired["tags"]):  # an emulator that takes no tags at creation
            self._client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_list(desired["tags"])})
        self._block_public_access(name)
        self._encrypt(desired)
        self._expire(desired)
        self._require_tls(desired)
        return self._require(desired)

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        name = desired["bucket_name"]
        if "tags" in changed:  # PutBucketTagging replaces all of them
            tags = {**live.fields["tags"], **desired["tags"]}
            self._client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_list(tags)})
        if "public_access_blocked" in changed:
            self._block_public_access(name)
        if "encryption" in changed:
            self._encrypt(desired)
        if "expiration_days" in changed:
            self._expire(desired)
        if "tls_statement" in changed:
            self._require_tls(desired)
        return self._require(desired)

    def delete(self, live: Live) -> None:
        name = live.fields["bucket_name"]
        try:
            delete_objects(self._client, name, f"{RUNS}/")
            self._client.delete_bucket(Bucket=name)
        except NotFound:
            return
        except AwsError as error:
            if error.aws_code != "BucketNotEmpty":
                raise
            raise Conflict(
                f"The bucket {name} is not deleted: objects that are not of a broadcast are in it.",
                hint=f"See them: aws s3 ls s3://{name} --recursive",
            ) from error

    def _exists(self, name: str) -> bool:
        """All accounts share the names of buckets, and tags prove nothing in another one: S3 is told whose it must be."""
        try:
            self._client.head_bucket(Bucket=name, ExpectedBucketOwner=self._context.place.account_id)
        except NotFound:
            return False
        except PermissionDenied as error:  # HEAD has no body that would say why
            raise PermissionDenied.of(
                error,
                f"The bucket {name} is another account's, or you lack s3:ListBucket on it ({error.aws_code}).",
                hint="If it is another account's, choose other names with prefix.",
            ) from error
        return True

    def _require(self, desired: Mapping[str, Any]) -> Live:
        live = self.read(desired)
        if live is None:
            raise Missing(f"The bucket {desired['bucket_name']} was deleted by another process.")
        return live

    def _tags(self, name: str) -> dict[str, str]:
        answer = _unless_absent(lambda: self._client.get_bucket_tagging(Bucket=name))
        return tag_map(answer.get("TagSet", []))

    def _public_access_blocked(self, name: str) -> bool:
        answer = _unless_absent(lambda: self._client.get_public_access_block(Bucket=name))
        blocks = answer.get("PublicAccessBlockConfiguration", {})
        return all(blocks.get(block) for block in PUBLIC_ACCESS_BLOCKS)

    def _block_public_access(self, name: str) -> None:
        self._client.put_public_access_block(
            Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(PUBLIC_ACCESS_BLOCKS, True)
        )

    def _statements(self, name: str) -> list[Document]:
        answer = _unless_absent(lambda: self._client.get_bucket_policy(Bucket=name))
        found: list[Document] = json.loads(answer.get("Policy", "{}")).get("Statement", [])
        return found

    def _require_tls(self, desired: Mapping[str, Any]) -> None:
        """PutBucketPolicy replaces the whole policy: others' statements stay as they are."""
        name = desired["bucket_name"]
        others = [each for each in self._statements(name) if each.get("Sid") != TLS_ONLY]
        policy = document(*others, desired["tls_statement"])
        self._client.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))

    def _encryption(self, name: str) -> str | None:
        answer = _unless_absent(lambda: self._client.get_bucket_encryption(Bucket=name))
        rules = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
        return next((rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] for rule in rules), None)

    def _encrypt(self, desired: Mapping[str, Any]) -> None:
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": desired["encryption"]}}
        self._client.put_bucket_encryption(
            Bucket=desired["bucket_name"], ServerSideEncryptionConfiguration={"Rules": [rule]}
        )

    def _expiration_days(self, name: str) -> int | None:
        answer = _unless_absent(lambda: self._client.get_bucket_lifecycle_configuration(Bucket=name))
        rules = [
            rule
            for rule in answer.get("Rules", [])
            if rule.get("ID") == LIFECYCLE_RULE and rule["Status"] == "Enabled"
        ]
        return next((rule.get("Expiration", {}).get("Days") for rule in rules), None)

    def _expire(self, desired: Mapping[str, Any]) -> None:
        """PutBucketLifecycleConfiguration replaces all rules: others' stay as they are."""
        name = desired["bucket_name"]
        answer = _unless_absent(lambda: self._client.get_bucket_lifecycle_configuration(Bucket=name))
        others = [rule for rule in answer.get("Rules", []) if rule.get("ID") != LIFECYCLE_RULE]
        ours = {
            "ID": LIFECYCLE_RULE,
            "Status": "Enabled",
            "Filter": {"Prefix": f"{RUNS}/"},
            "Expiration": {"Days": desired["expiration_days"]},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }
        self._client.put_bucket_lifecycle_configuration(
            Bucket=name, LifecycleConfiguration={"Rules": [*others, ours]}
        )


def _encryption_property(algorithm: str) -> Properties:
    rule = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}
    return {"BucketEncryption": {"ServerSideEncryptionConfiguration": [rule]}}


def _lifecycle_property(days: int) -> Properties:
    rule = {
        "Id": LIFECYCLE_RULE,
        "Status": "Enabled",
        "Prefix": f"{RUNS}/",
        "ExpirationInDays": days,
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
    return {"LifecycleConfiguration": {"Rules": [rule]}}


def delete_objects(client: Any, bucket: str, prefix: str) -> None:
    """Delete the objects whose keys begin with `prefix`. Raises Conflict or PermissionDenied when S3 does not delete one."""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        keys = [{"Key": found["Key"]} for found in page.get("Contents", [])]
        if keys:
            answer = client.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            _require_none_refused(bucket, answer.get("Errors", []))


def _require_none_refused(bucket: str, errors: Sequence[Mapping[str, str]]) -> None:
    """DeleteObjects answers 200 and lists what it did not delete."""
    for error in errors:
        kind = PermissionDenied if error["Code"] == "AccessDenied" else Conflict
        raise kind(
            f"{len(errors):,} objects of {bucket} are not deleted: {error['Message']} ({error['Code']})",
            aws_code=error["Code"],
            operation="DeleteObjects",
        )


def _unless_absent(call: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """S3 answers 404 for a part of a bucket's configuration that was never set."""
    try:
        return call()
    except NotFound:
        return {}
