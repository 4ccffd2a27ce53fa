"""The policy of whoever reads the logs: one action, on the four groups and nothing else."""

from __future__ import annotations

from whatschat_ops.config import Settings
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.policies import policy_of


def test_reader_of_logs_may_filter_events_of_the_four_groups_only() -> None:
    settings = Settings.of({"prefix": "blue-", "websocket": {"access_logs": False}})
    (statement,) = policy_of("operator-logs", settings, Place("eu-west-1", "123456789012"), "*")["Statement"]
    names = [
        *(f"/aws/lambda/blue-websocket-{short}" for short in ("connect", "disconnect", "default")),
        "/aws/apigateway/blue-websocket",
    ]
    arns = [f"arn:aws:logs:eu-west-1:123456789012:log-group:{name}" for name in names]
    assert statement["Action"] == ["logs:FilterLogEvents"]
    assert sorted(statement["Resource"]) == sorted([*arns, *(f"{arn}:*" for arn in arns)])
