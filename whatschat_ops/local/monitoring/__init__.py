"""CloudWatch and CloudWatch Logs where ministack's own answers are not AWS's. Nothing here imports ministack."""
