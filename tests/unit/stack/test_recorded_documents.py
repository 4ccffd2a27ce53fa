"""Policies and templates are those of version 0.1.0, recorded in `tests/fixtures/stack_documents`, until a change is meant.

A policy that differs would show as a change of every stack there is. The operator's statements may stand in another order,
and so may the actions and resources in one of them: IAM does not mind.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from whatschat_ops.config import Settings
from whatschat_ops.packaging import FunctionPackage
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.cloudformation import export_template
from whatschat_ops.stack.iam_documents import Document
from whatschat_ops.stack.parts.blueprint import Blueprint
from whatschat_ops.stack.parts.broadcast import states_policy, worker_policy
from whatschat_ops.stack.policies import policy_of

RECORDED = Path(__file__).parents[2] / "fixtures" / "stack_documents"
POLICIES = json.loads((RECORDED / "policies.json").read_text(encoding="utf-8"))
TEMPLATES = json.loads((RECORDED / "templates.json").read_text(encoding="utf-8"))
PLACE = Place("eu-west-1", "123456789012")
API_ID = "a1b2c3d4e5"
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "distributed": {"broadcast": {"distributed": {"enabled": True}}},
    "prefixed": {
        "prefix": "blue-",
        "websocket": {"stage": "beta", "route_selection_expression": "${request.body.action}"},
        "lambda": {"source": {"path": "/app"}},
    },
    "no access logs": {"websocket": {"access_logs": False}},
}


def policies(variant: str) -> dict[str, Document]:
    settings = Settings.of(VARIANTS[variant])
    made = {each: policy_of(each, settings, PLACE, API_ID) for each in ("lambda", "chime", "operator")}
    if settings.broadcast.distributed.enabled:
        blueprint = Blueprint(settings, PLACE, api_id=API_ID)
        made["broadcast-worker"] = worker_policy(blueprint)
        made["broadcast-states"] = states_policy(blueprint)
    return made


@pytest.mark.parametrize(("variant", "component"), [(v, c) for v, all_ in POLICIES.items() for c in all_])
def test_policy_says_what_it_said(variant: str, component: str) -> None:
    recorded = POLICIES[variant][component]
    statements = policies(variant)[component]["Statement"]
    if component != "operator":  # its document is compared as a whole when a stack is planned
        assert statements == list(recorded.values())
    assert {each["Sid"]: meaning(each) for each in statements} == {
        sid: meaning(each) for sid, each in recorded.items()
    }


def meaning(statement: Document) -> dict[str, Any]:
    """A statement as IAM reads it: actions and resources are sets, and a set of one may stand without brackets."""
    listed = {key: statement[key] for key in ("Action", "Resource")}
    sets = {key: {each} if isinstance(each, str) else set(each) for key, each in listed.items()}
    return {**statement, **sets}


@pytest.mark.parametrize("variant", TEMPLATES)
def test_template_is_what_it_was(variant: str) -> None:
    settings = Settings.of(VARIANTS[variant])
    shorts = ("connect", "disconnect", "default", "broadcast-worker")
    packages = {short: package(short) for short in shorts}
    made = export_template(settings, packages, bucket="code", prefix="lambda/").template
    assert made == TEMPLATES[variant]


def package(short: str) -> FunctionPackage:
    digest = base64.b64encode(hashlib.sha256(b"zip").digest()).decode()
    return FunctionPackage(short, f"{short}.handler", b"zip", digest)
