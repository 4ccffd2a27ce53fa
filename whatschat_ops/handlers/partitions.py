"""The partitions of AWS: how their Regions begin, what their ARNs say, and what the host names of their services end in.

Source: `partitions.json` of botocore, with which a test compares all of it. The functions have no botocore when they start.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Partition(NamedTuple):
    """`prefix` is what the names of its Regions begin with."""

    prefix: str
    name: str
    dns_suffix: str
    dual_stack_suffix: str


COMMERCIAL: Final = Partition("", "aws", "amazonaws.com", "api.aws")
OTHERS: Final = (
    Partition("cn-", "aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    Partition("us-gov-", "aws-us-gov", "amazonaws.com", "api.aws"),
    Partition("eusc-", "aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu"),
    Partition("us-iso-", "aws-iso", "c2s.ic.gov", "api.aws.ic.gov"),
    Partition("us-isob-", "aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud"),
    Partition("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    Partition("us-isof-", "aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
)


def partition_of(region: str) -> Partition:
    """The partition of a Region; for one that is not known, the commercial one."""
    return next((each for each in OTHERS if region.startswith(each.prefix)), COMMERCIAL)
