"""What `cost verify` needs: a policy of its own. Pure.

BatchCreateWorkloadEstimateUsage has no permission of its own, it needs CreateWorkloadEstimateUsage (botocore's model of
bcm-pricing-calculator, version 2024-06-19). The model names no ARNs.
"""

from __future__ import annotations

from whatschat_ops.stack.iam_documents import Document, actions, allow, document
from whatschat_ops.stack.parts.blueprint import Blueprint


def calculator_policy(_: Blueprint) -> Document:
    """Workload estimates of AWS's pricing calculator: they are made for one command, and deleted by it."""
    names = (
        "CreateWorkloadEstimate CreateWorkloadEstimateUsage GetWorkloadEstimate ListWorkloadEstimateUsage "
        "ListWorkloadEstimates DeleteWorkloadEstimate"
    )
    return document(allow("Calculator", actions("bcm-pricing-calculator", names), "*"))
