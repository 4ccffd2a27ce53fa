"""The partitions, compared with botocore's own data; the hosts that follow from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.session import Session

from whatschat_ops.endpoint import normalise
from whatschat_ops.handlers.aws_api import JSON_VERSIONS, AwsApi
from whatschat_ops.handlers.partitions import COMMERCIAL, OTHERS, partition_of
from whatschat_ops.stack.arns import Place

DATA = Path(botocore.__file__).parent / "data/partitions.json"
PARTITIONS: list[dict[str, Any]] = json.loads(DATA.read_text())["partitions"]
REGIONS = [
    (found["id"], name) for found in PARTITIONS for name in found["regions"] if not name.startswith("aws-")
]
KEYS = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s"}


def test_every_partition_of_botocore_is_known_with_its_suffixes() -> None:
    ours = {each.name: (each.dns_suffix, each.dual_stack_suffix) for each in (COMMERCIAL, *OTHERS)}
    assert ours == {
        found["id"]: (found["outputs"]["dnsSuffix"], found["outputs"]["dualStackDnsSuffix"])
        for found in PARTITIONS
    }


@pytest.mark.parametrize(("partition", "region"), REGIONS, ids=str)
def test_region_is_in_the_partition_that_botocore_says(partition: str, region: str) -> None:
    assert partition_of(region).name == partition
    table = Place(region, "123456789012").connections("abc", "production", "POST")
    assert str(table).startswith(f"arn:{partition}:execute-api:{region}:123456789012:abc/")


def test_services_that_the_functions_call_have_the_hosts_of_botocore() -> None:
    session = Session()
    hosts, ours = {}, {}
    for _, region in REGIONS:
        for service in JSON_VERSIONS:
            client = session.create_client(
                service, region_name=region, aws_access_key_id="A", aws_secret_access_key="s"
            )
            hosts[region, service] = client.meta.endpoint_url
            endpoint = AwsApi({**KEYS, "AWS_REGION": region}).endpoint(service)
            ours[region, service] = f"https://{endpoint.host}"
    assert ours == hosts


@pytest.mark.parametrize("suffix", sorted({each.dns_suffix for each in (COMMERCIAL, *OTHERS)}))
def test_execute_api_host_of_every_partition_speaks_tls(suffix: str) -> None:
    found = normalise(f"ws://abc123.execute-api.some-region-1.{suffix}/production")
    assert found.websocket_url == f"wss://abc123.execute-api.some-region-1.{suffix}/production"


@pytest.mark.parametrize(
    ("variables", "host"),
    [
        ({"AWS_ENDPOINT_URL": "http://all:1"}, "all:1"),
        ({"AWS_ENDPOINT_URL": "http://all:1", "AWS_ENDPOINT_URL_SSM": "http://ssm:2"}, "ssm:2"),
        ({"AWS_ENDPOINT_URL_DYNAMODB": "http://other:3"}, "ssm.eu-west-1.amazonaws.com"),
        (
            {"AWS_ENDPOINT_URL": "http://all:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "ssm.eu-west-1.amazonaws.com",
        ),
        ({"AWS_ENDPOINT_URL": "http://all:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"}, "all:1"),
    ],
)
def test_functions_find_their_endpoint_as_an_sdk_does(variables: dict[str, str], host: str) -> None:
    assert AwsApi({**KEYS, "AWS_REGION": "eu-west-1", **variables}).endpoint("ssm").host == host
