"""What a principal may do, held against what a component needs: missing and superfluous permissions."""

from whatschat_ops.stack.iam_check.attached import principal_of
from whatschat_ops.stack.iam_check.check import MissingPermission, PermissionCheck, check_permissions
from whatschat_ops.stack.iam_check.superfluous import SuperfluousPermission

__all__ = [
    "MissingPermission",
    "PermissionCheck",
    "SuperfluousPermission",
    "check_permissions",
    "principal_of",
]
