"""Runs Lambda functions as AWS does: one warm pool of worker processes per function.

    LambdaExecutor ─▶ Pool ─▶ Worker ─ RuntimeApi (127.0.0.1, a port of its own) ◀─ process
                                │                                                  (AWS's runtime client,
                                └─ LogFile ◀────────── stdout, stderr ───────────── the function's code)

It takes a `LambdaFunction` and a payload and gives an `InvocationResult`. It must not know API Gateway, the control
plane or anything else of the embedded AWS but `interfaces`. What differs from AWS: Python functions run on the
Python of this machine, whatever their runtime says; Node functions bring their own AWS SDK in the zip; memory is
measured, not limited; `/var/task` is writable and is elsewhere; functions share the machine's `/tmp`.
"""

from whatschat_ops.local.executor.lambda_executor import LambdaExecutor

__all__ = ["LambdaExecutor"]
