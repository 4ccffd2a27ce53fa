"""The AWS seam: the only package that imports botocore.

Everyone else receives an `Aws` and calls `aws.client("dynamodb").describe_table(...)`. Every failure of such a
call is already one of the errors of `whatschat_ops.errors`: botocore's exceptions never leave this package.
"""

from whatschat_ops.aws.session import Aws, AwsTarget, connect

__all__ = ["Aws", "AwsTarget", "connect"]
