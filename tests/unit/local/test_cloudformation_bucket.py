"""The bucket properties of our stack's template reach S3's own API. S3 is a fake; its XML is parsed."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.etree.ElementTree import fromstring

import pytest

from tests.unit.stack.exported import of_type, template
from whatschat_ops.local.control.cloudformation_bucket import complete_bucket

XML = {"s3": "http://s3.amazonaws.com/doc/2006-03-01/"}


@dataclass
class S3:
    """The part of ministack's S3 that is used."""

    status: int = 200
    _bucket_tags: dict[str, dict[str, str]] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)

    def _put_bucket_encryption(self, name: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        self.bodies[f"{name} encryption"] = body
        return self.status, {}, b"<Error/>"

    def _put_bucket_lifecycle(self, name: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        self.bodies[f"{name} lifecycle"] = body
        return self.status, {}, b"<Error/>"


def properties() -> dict[str, object]:
    document = template({"broadcast": {"distributed": {"enabled": True}}})
    (bucket,) = of_type(document, "AWS::S3::Bucket").values()
    found: dict[str, object] = bucket["Properties"]
    return found


@pytest.mark.aws("CloudFormation template reference, AWS::S3::Bucket")
def test_tags_encryption_and_expiration_are_stored() -> None:
    s3 = S3()
    complete_bucket("b", properties(), s3)
    assert s3._bucket_tags == {"b": {"whatschat-ops:stack": "whatschat-local"}}
    algorithm = fromstring(s3.bodies["b encryption"]).find(".//s3:SSEAlgorithm", XML)
    assert algorithm is not None
    assert algorithm.text == "AES256"
    rule = fromstring(s3.bodies["b lifecycle"]).find("s3:Rule", XML)
    assert rule is not None
    read = {
        name: rule.findtext(f".//s3:{name}", namespaces=XML) for name in ("ID", "Prefix", "Status", "Days")
    }
    assert read == {"ID": "whatschat-ops-runs", "Prefix": "runs/", "Status": "Enabled", "Days": "14"}


def test_error_of_s3_fails_the_resource() -> None:
    with pytest.raises(ValueError, match="AWS::S3::Bucket"):
        complete_bucket("b", properties(), S3(status=400))


def test_bucket_without_these_properties_is_unchanged() -> None:
    s3 = S3()
    complete_bucket("b", {"BucketName": "b"}, s3)
    assert (s3._bucket_tags, s3.bodies) == ({}, {})
