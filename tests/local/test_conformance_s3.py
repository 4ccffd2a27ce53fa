"""S3 as deployment tools use it."""

from __future__ import annotations

import pytest

from tests.local.conftest import EmbeddedAws

pytestmark = pytest.mark.local


@pytest.mark.aws("S3 user guide, UsingKMSEncryption.html: without a key id, the AWS managed key is used")
def test_object_with_kms_but_no_key_has_the_managed_key(embedded_aws: EmbeddedAws) -> None:
    s3 = embedded_aws.client("s3")
    s3.create_bucket(Bucket="conformance-kms")
    s3.put_object(Bucket="conformance-kms", Key="asset", Body=b"x", ServerSideEncryption="aws:kms")
    head = s3.head_object(Bucket="conformance-kms", Key="asset")
    assert head["ServerSideEncryption"] == "aws:kms"
    assert head["SSEKMSKeyId"]
