"""The worker of distributed load tests: a function, its role and its log group. `ws load` makes them on first use, `destroy` deletes them. Pure.

It needs the bucket of distributed broadcasts, for objects of its own. It may neither read the secret that signs tokens nor invoke anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from whatschat_ops.config.names import LOAD_WORKER
from whatschat_ops.provision import Reference, Resource, text
from whatschat_ops.quotas import MAX_FUNCTION_TIMEOUT_S
from whatschat_ops.stack.iam_documents import Document, allow, document
from whatschat_ops.stack.kinds.bucket import RUNS, Bucket
from whatschat_ops.stack.kinds.function import NO_RESERVATION, Function
from whatschat_ops.stack.parts.blueprint import API, Blueprint
from whatschat_ops.stack.parts.functions import function, function_log_group, logs_statement, role
from whatschat_ops.worker.bucket import LOAD_RUNS

COMPONENT: Final = "operator-load"
POLICY: Final = "whatschat-ops-load"
ROLE: Final = LOAD_WORKER


def resources(blueprint: Blueprint) -> Iterator[Resource]:
    """What `ws load --engine distributed` makes. It is in no plan of `provision`, and `destroy` finds it by its tag."""
    yield function_log_group(blueprint, LOAD_WORKER)
    yield from role(
        blueprint,
        ROLE,
        blueprint.names.load_worker_role,
        "lambda.amazonaws.com",
        (POLICY, worker_policy(blueprint)),
    )
    yield _worker(blueprint)


def worker_policy(blueprint: Blueprint) -> Document:
    """What one worker needs: the objects of load tests, and its log. Opening sockets takes a token, no permission."""
    return document(
        allow("LoadTests", ["s3:GetObject", "s3:PutObject"], _objects(blueprint)),
        logs_statement(blueprint, LOAD_WORKER),
    )


def operator_statements(blueprint: Blueprint) -> Iterator[Document]:
    """To call the worker; `destroy` asks each function for its alias. The policy `operator` has the bucket's objects, the lock and the audit log."""
    worker = Function.arn.of(blueprint.place, blueprint.names.function(LOAD_WORKER))
    yield allow("LoadWorker", ["lambda:InvokeFunction", "lambda:GetAlias"], worker)


def _objects(blueprint: Blueprint) -> str:
    bucket = blueprint.names.broadcast_bucket(blueprint.place.account_id)
    return f"{Bucket.arn.of(blueprint.place, bucket)}/{RUNS}/{LOAD_RUNS}*"


def _worker(blueprint: Blueprint) -> Resource:
    settings, names = blueprint.settings, blueprint.names
    fields = {
        "runtime": settings.lambda_.runtime,
        "memory_mb": settings.broadcast.distributed.memory_mb,
        "timeout_s": MAX_FUNCTION_TIMEOUT_S,
        "reserved_concurrency": NO_RESERVATION,
        "environment": {
            "API_GATEWAY_ENDPOINT": text(Reference(API, "callback_base"), "/", settings.websocket.stage),
            "LOAD_BUCKET": names.broadcast_bucket(blueprint.place.account_id),
        },
    }
    return function(blueprint, LOAD_WORKER, role=ROLE, role_name=names.load_worker_role, fields=fields)
