"""The formats of bills as tables: which columns have what.

- CUR 2.0: the table COST_AND_USAGE_REPORT of Data Exports (docs.aws.amazon.com/cur/latest/userguide/table-dictionary-cur2.html).
- The legacy CUR: columns `lineItem/UsageType` in CSV, `line_item_usage_type` in Parquet, a column for each tag.
- FOCUS 1.0 to 1.2 (focus.finops.org), of which AWS exports `x_ServiceCode`, `x_UsageType` and `x_Operation` beside the standard's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_TAG: Final = "resource_tags_user_whatschat_ops_stack"
"""The tag that marks the stack, as the legacy CUR spells it in Parquet."""

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("identity_line_item_id", "identity/LineItemId"),
    "account": ("line_item_usage_account_id", "lineItem/UsageAccountId", "SubAccountId"),
    "interval": ("identity_time_interval", "identity/TimeInterval"),
    "service": ("product_servicecode", "product/servicecode", "line_item_product_code", "lineItem/ProductCode", "x_ServiceCode", "ServiceName"),
    "usage_type": ("line_item_usage_type", "lineItem/UsageType", "x_UsageType", "SkuMeter"),
    "operation": ("line_item_operation", "lineItem/Operation", "x_Operation"),
    "kind": ("line_item_line_item_type", "lineItem/LineItemType", "ChargeCategory"),
    "correction": ("ChargeClass",),
    "starts": ("line_item_usage_start_date", "lineItem/UsageStartDate", "ChargePeriodStart"),
    "quantity": ("line_item_usage_amount", "lineItem/UsageAmount", "ConsumedQuantity", "PricingQuantity"),
    "unit": ("pricing_unit", "pricing/unit", "ConsumedUnit", "PricingUnit"),
    "cost": ("line_item_unblended_cost", "lineItem/UnblendedCost", "BilledCost"),
    "rate_code": ("pricing_rate_code", "pricing/RateCode", "SkuPriceId"),
    "resource": ("line_item_resource_id", "lineItem/ResourceId", "ResourceId"),
    "region": ("product_region_code", "product/regionCode", "product_region", "product/region", "RegionId"),
    "currency": ("line_item_currency_code", "lineItem/CurrencyCode", "BillingCurrency"),
    "description": ("line_item_line_item_description", "lineItem/LineItemDescription", "ChargeDescription"),
    "tag": (_TAG, "resourceTags/user:whatschat-ops:stack"),
    "tags": ("resource_tags", "Tags"),
    "is_focus": ("ChargeCategory",),
    "is_focus_1_2": ("BillingAccountType", "InvoiceId"),
    "is_legacy": ("lineItem/LineItemType", "product_product_name"),
    "is_current": ("billing_account_name", "bill_payer_account_name", "resource_tags", "product"),
}  # fmt: skip
"""Field -> its columns, the first that is not empty counts. Those of `is_...` tell the formats apart and are read for nothing else."""
NEEDED: Final = ("usage_type", "kind", "starts", "quantity", "cost")
"""Without which a file cannot be added up."""
FORMATS: Final = """
    SELECT CASE WHEN is_focus THEN IF(bool_or(is_focus_1_2), 'FOCUS 1.2', 'FOCUS 1.0')
                WHEN bool_or(is_legacy) AND bool_and(NOT is_current) THEN 'legacy CUR'
                ELSE 'CUR 2.0' END
    FROM texts GROUP BY is_focus ORDER BY 1
"""
"""CUR 2.0 has maps and the accounts' names, which the legacy report has not (AWS, "Cost and Usage Report 2.0")."""
