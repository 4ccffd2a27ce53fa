"""Service Quotas: GetServiceQuota, ListServiceQuotas and their defaults; RequestServiceQuotaIncrease for concurrent
executions and meetings, which is granted at once.

Shapes and errors: botocore's service-quotas model; quotas: `account_quotas`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from whatschat_ops.handlers.partitions import partition_of
from whatschat_ops.local.account_quotas import (
    MIN_CHANGED,
    QUOTAS,
    SERVICE_NAMES,
    AccountQuotas,
    Quota,
)
from whatschat_ops.local.interfaces import RequestAuthorizer
from whatschat_ops.local.json_service import Fault, JsonService
from whatschat_ops.local.layout import ACCOUNT_ID

SIGNING_NAME = "servicequotas"
MAX_PAGE = 100


def service(quotas: AccountQuotas, authorizer: RequestAuthorizer) -> JsonService:
    """The service on the quotas of the account."""
    api = _Api(quotas)
    operations = {
        "GetServiceQuota": api.get,
        "GetAWSDefaultServiceQuota": api.get_default,
        "ListServiceQuotas": api.list,
        "ListAWSDefaultServiceQuotas": api.list_defaults,
        "RequestServiceQuotaIncrease": api.request_increase,
    }
    return JsonService(
        "service-quotas", "Service Quotas", SIGNING_NAME, "IllegalArgumentException", operations, authorizer
    )


class _Api:
    def __init__(self, quotas: AccountQuotas) -> None:
        self._quotas = quotas

    def get(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        quota = _find(given["ServiceCode"], given["QuotaCode"])
        if "ContextId" in given:
            raise Fault(
                "IllegalArgumentException", "ContextId: the embedded AWS does not have resource-level quotas."
            )
        return {"Quota": self._document(region, quota, self._quotas.value(region, quota))}

    def get_default(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        quota = _find(given["ServiceCode"], given["QuotaCode"])
        return {"Quota": self._document(region, quota, quota.value)}

    def list(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        if given.get("QuotaAppliedAtLevel", "ACCOUNT") == "RESOURCE":
            return {"Quotas": []}
        return self._page(region, given, lambda quota: self._quotas.value(region, quota))

    def list_defaults(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        return self._page(region, given, lambda quota: quota.value)

    def request_increase(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        quota, desired = _find(given["ServiceCode"], given["QuotaCode"]), given["DesiredValue"]
        if not quota.adjustable:
            raise Fault("InvalidResourceStateException", f"The quota {quota.code} is not adjustable.")
        least = MIN_CHANGED.get(quota.code)
        if least is None:
            raise Fault(
                "IllegalArgumentException", f"{quota.code}: the embedded AWS does not change this quota."
            )
        if not float(desired).is_integer() or desired < least:
            raise Fault("IllegalArgumentException", f"DesiredValue must be {least} or more.")
        self._quotas.change(region, quota.code, int(desired))
        now = time.time()
        document = self._document(region, quota, desired)
        shared = {
            key: document[key] for key in ("ServiceCode", "ServiceName", "QuotaCode", "QuotaName", "QuotaArn")
        }
        request = {"Id": uuid.uuid4().hex, "DesiredValue": desired, "Status": "APPROVED"}
        return {"RequestedQuota": {**request, **shared, "Created": now, "LastUpdated": now}}

    def _page(self, region: str, given: dict[str, Any], value: Callable[[Quota], float]) -> dict[str, Any]:
        service = given["ServiceCode"]
        if service not in SERVICE_NAMES:
            raise _no_service(service)
        found = [quota for quota in QUOTAS if quota.service == service]
        if "QuotaCode" in given:
            found = [_find(service, given["QuotaCode"])]
        begin, size = _position(given.get("NextToken"), len(found)), given.get("MaxResults", MAX_PAGE)
        page = found[begin : begin + size]
        document: dict[str, Any] = {"Quotas": [self._document(region, quota, value(quota)) for quota in page]}
        return {**document, "NextToken": str(begin + size)} if begin + size < len(found) else document

    def _document(self, region: str, quota: Quota, value: float) -> dict[str, Any]:
        return {
            "ServiceCode": quota.service,
            "ServiceName": SERVICE_NAMES[quota.service],
            "QuotaArn": f"arn:{partition_of(region).name}:servicequotas:{region}:{ACCOUNT_ID}:{quota.service}/{quota.code}",
            "QuotaCode": quota.code,
            "QuotaName": quota.name,
            "Value": float(value),
            "Unit": quota.unit,
            "Adjustable": quota.adjustable,
            "GlobalQuota": False,
            "QuotaAppliedAtLevel": "ACCOUNT",
        }


def _find(service: str, code: str) -> Quota:
    if service not in SERVICE_NAMES:
        raise _no_service(service)
    for quota in QUOTAS:
        if (quota.service, quota.code) == (service, code):
            return quota
    raise Fault("NoSuchResourceException", f"Quota {code}: the embedded AWS does not have it for {service}.")


def _no_service(service: str) -> Fault:
    return Fault("NoSuchResourceException", f"Service {service}: the embedded AWS does not have its quotas.")


def _position(token: str | None, size: int) -> int:
    if token is None:
        return 0
    if not token.isascii() or not token.isdigit() or not 0 < int(token) < size:
        raise Fault("InvalidPaginationTokenException", "The pagination token is not valid.")
    return int(token)
