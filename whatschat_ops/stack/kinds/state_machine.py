"""A Step Functions state machine. Running executions go on with the definition they began with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import AwsError, NotFound
from whatschat_ops.provision import Live, contains
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_documents import actions
from whatschat_ops.stack.kinds.context import AwsKind, tag_list_property
from whatschat_ops.stack.kinds.declaration import ArnPattern, AwsField, CloudFormationType

ROLE_TIMEOUT_S = 60.0
DELETED_TIMEOUT_S = 300.0
"""A state machine stays, as DELETING, until its running executions have ended."""

_ABSENT = "StateMachineDoesNotExist"


class StateMachine(AwsKind):
    """`definition` is the Amazon States Language document as data."""

    name = "state_machine"
    service = "stepfunctions"
    identity = ("state_machine_name",)
    fields: ClassVar[Mapping[str, AwsField]] = {
        "state_machine_name": AwsField(cfn="StateMachineName"),
        "type": AwsField(
            replaces="Step Functions cannot change the type of a state machine", cfn="StateMachineType"
        ),
        "role_arn": AwsField(cfn="RoleArn"),
        "definition": AwsField(cfn="Definition"),
        "tags": AwsField(matches=contains, cfn=tag_list_property),
    }
    arn: ClassVar[ArnPattern] = ArnPattern("arn:{partition}:states:{region}:{account}:stateMachine:{name}")
    operator_sid = "StateMachine"
    operator_actions = actions(
        "states",
        "CreateStateMachine DescribeStateMachine UpdateStateMachine DeleteStateMachine TagResource ListTagsForResource",
    )
    template = (CloudFormationType("AWS::StepFunctions::StateMachine"),)

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        found = self._describe(identity["state_machine_name"])
        if found is None or found.get("status") == "DELETING":
            return None
        arn = found["stateMachineArn"]
        try:
            tags = self._client.list_tags_for_resource(resourceArn=arn).get("tags", [])
        except NotFound:  # deleted in the meantime
            return None
        owned = {tag["key"]: tag["value"] for tag in tags}
        return Live(
            id=arn,
            fields={
                "state_machine_name": found["name"],
                "type": found["type"],
                "role_arn": found["roleArn"],
                "definition": json.loads(found["definition"]),
                "tags": owned,
            },
            outputs={"arn": arn},
            owner=owned.get(STACK_TAG),
        )

    def create(self, desired: Mapping[str, Any]) -> Live:
        name = desired["state_machine_name"]
        self._until_gone(name)  # a deletion may still be going on
        self._when_role_is_known(
            lambda: self._client.create_state_machine(
                name=name,
                type=desired["type"],
                roleArn=desired["role_arn"],
                definition=json.dumps(desired["definition"]),
                tags=_tag_list(desired["tags"]),
            )
        )
        return self._context.waiting.until(
            f"the state machine {name} does not appear", lambda: self.read(desired), timeout_s=60
        )

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        if "tags" in changed:
            self._client.tag_resource(resourceArn=live.id, tags=_tag_list(desired["tags"]))
        if changed & {"role_arn", "definition"}:
            self._when_role_is_known(
                lambda: self._client.update_state_machine(
                    stateMachineArn=live.id,
                    roleArn=desired["role_arn"],
                    definition=json.dumps(desired["definition"]),
                )
            )
        return Live(live.id, {**live.fields, **desired}, live.outputs, live.owner)

    def delete(self, live: Live) -> None:
        try:
            self._client.delete_state_machine(stateMachineArn=live.id)
        except AwsError as error:
            if not _is_absent(error):
                raise
        self._until_gone(live.fields["state_machine_name"])

    def _describe(self, name: str) -> Any:
        try:
            return self._client.describe_state_machine(stateMachineArn=self.arn.of(self._context.place, name))
        except AwsError as error:
            if _is_absent(error):
                return None
            raise

    def _until_gone(self, name: str) -> None:
        def probe() -> bool | None:
            found = self._describe(name)
            return True if found is None or found.get("status") != "DELETING" else None

        self._context.waiting.until(
            f"the state machine {name} is being deleted, once its executions have ended",
            probe,
            timeout_s=DELETED_TIMEOUT_S,
        )

    def _when_role_is_known(self, call: Any) -> None:
        """A fresh role cannot be assumed at once: "... is authorized to assume the provided role" (a 400 or 403)."""
        self._context.waiting.repeat(
            call,
            while_=lambda error: "authorized to assume the provided role" in error.message,
            why="Waiting for IAM: Step Functions cannot assume the new role yet.",
            timeout_s=ROLE_TIMEOUT_S,
        )


def execution_arn(place: Place, state_machine: str, name: str) -> str:
    """The ARN of an execution. Those of a Distributed Map's items are of `machine/label`."""
    return f"{_states(place)}:execution:{state_machine}:{name}"


def map_run_arn(place: Place, state_machine: str, rest: str) -> str:
    """The ARN of a Map Run: `rest` is `label:id`."""
    return f"{_states(place)}:mapRun:{state_machine}/{rest}"


def _states(place: Place) -> str:
    return f"arn:{place.partition}:states:{place.region}:{place.account_id}"


def _is_absent(error: AwsError) -> bool:
    """Step Functions answers 400, not 404."""
    return error.aws_code == _ABSENT or isinstance(error, NotFound)


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Step Functions writes them in lower case."""
    return [{"key": key, "value": value} for key, value in tags.items()]
