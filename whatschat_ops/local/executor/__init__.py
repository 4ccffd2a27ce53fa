"""Runs Lambda functions as AWS does: one warm pool of worker processes per function.

    LambdaExecutor ─▶ Pool ─▶ Worker ─ RuntimeApi (127.0.0.1, own port) ◀─ process
                              │                                            (AWS's runtime client,
                              └─ LogFile ◀────────── stdout, stderr ─────── the function's code)

Takes a `LambdaFunction` and a payload; gives an `InvocationResult`. Of the rest of the embedded AWS it uses only
`interfaces`.

Differences from AWS: Python functions run on the Python of this machine, whatever their runtime; Node functions find
the AWS SDK where `node_modules` lends it, else it must be in their zip; memory is limited with `enforce_memory` only;
`/var/task` is writable and has another path; functions share the machine's `/tmp`.
"""

from whatschat_ops.local.executor.lambda_executor import WORKERS_PER_FUNCTION, LambdaExecutor

__all__ = ["WORKERS_PER_FUNCTION", "LambdaExecutor"]
