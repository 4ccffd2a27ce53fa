"""What ministack 1.5.33's CloudFormation ignores in an `AWS::S3::Bucket`: tags, default encryption, expiration.

Takes the properties of the CloudFormation resource reference and ministack's S3 module; stores them through its API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def complete_bucket(name: str, props: Mapping[str, Any], s3: Any) -> None:
    """Store these properties of the bucket. A ValueError fails the resource, and with it the stack."""
    if "Tags" in props:
        s3._bucket_tags[name] = {tag["Key"]: tag["Value"] for tag in props["Tags"]}
    if encryption := props.get("BucketEncryption"):
        _require(s3._put_bucket_encryption(name, _encryption(encryption)))
    if lifecycle := props.get("LifecycleConfiguration"):
        _require(s3._put_bucket_lifecycle(name, _lifecycle(lifecycle)))


def _require(response: tuple[int, Any, bytes]) -> None:
    status, _, body = response
    if status >= 400:
        raise ValueError(f"AWS::S3::Bucket: {body!r}")


def _encryption(document: Mapping[str, Any]) -> bytes:
    root = Element("ServerSideEncryptionConfiguration", xmlns=_NAMESPACE)
    for rule in document["ServerSideEncryptionConfiguration"]:
        default = rule["ServerSideEncryptionByDefault"]
        applied = SubElement(SubElement(root, "Rule"), "ApplyServerSideEncryptionByDefault")
        SubElement(applied, "SSEAlgorithm").text = default["SSEAlgorithm"]
        if key := default.get("KMSMasterKeyID"):
            SubElement(applied, "KMSMasterKeyID").text = key
    return tostring(root)


def _lifecycle(document: Mapping[str, Any]) -> bytes:
    root = Element("LifecycleConfiguration", xmlns=_NAMESPACE)
    for rule in document["Rules"]:
        made = SubElement(root, "Rule")
        SubElement(made, "ID").text = rule.get("Id", "")
        SubElement(SubElement(made, "Filter"), "Prefix").text = rule.get("Prefix", "")
        SubElement(made, "Status").text = rule["Status"]
        if days := rule.get("ExpirationInDays"):
            SubElement(SubElement(made, "Expiration"), "Days").text = str(days)
        if abort := rule.get("AbortIncompleteMultipartUpload"):
            after = SubElement(made, "AbortIncompleteMultipartUpload")
            SubElement(after, "DaysAfterInitiation").text = str(abort["DaysAfterInitiation"])
    return tostring(root)
