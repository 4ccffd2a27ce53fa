"""Who else uses what `--adopt` takes over, and what changes for them. Only reads.

| what | who else uses it | where that is read |
|---|---|---|
| function | APIs that invoke it, other principals, event sources | integrations, its resource policy, event source mappings |
| table, secret | functions whose variables name it | ListFunctions |
| role | functions that run with it | ListFunctions |
| function, table, role | REST APIs that use it | integrations of their methods |
| log group | functions that write to it, subscriptions | ListFunctions, subscription filters |
| API | functions that its routes invoke now, custom domains | integrations, API mappings |
| anything with tags | the CloudFormation stack that made it | the tag that CloudFormation sets |

What the operator may not read is said: "unused" would be a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from whatschat_ops.config import Names
from whatschat_ops.errors import PermissionDenied
from whatschat_ops.provision import Action, Live, Plan, Step
from whatschat_ops.stack.kinds import KINDS
from whatschat_ops.stack.kinds.context import Context
from whatschat_ops.stack.other_apis import RUNS_OUR_CODE, allowed_apis, invokers
from whatschat_ops.stack.parts.blueprint import API
from whatschat_ops.stack.rest_apis import rest_apis

CLOUDFORMATION_TAG: Final = "aws:cloudformation:stack-name"
CHANGED_UNDER_IT: Final = "the changes below are made under it, and `destroy` takes it away"
SHARED_ROLE: Final = (
    "it gets this stack's policy and trust policy, and `destroy` deletes the role with all its policies"
)


def with_other_users(made: Plan, context: Context, names: Names) -> Plan:
    """The plan, in which each step that takes something over warns of who else uses it."""
    if not any(_takes_over(step) for step in made):
        return made
    own_api = made.known.get(API, {}).get("id")
    users = _Users(context, names, own_api if isinstance(own_api, str) else None)
    steps = (
        replace(step, warnings=tuple(users.warnings(step))) if _takes_over(step) else step for step in made
    )
    return replace(made, steps=tuple(steps))


def _takes_over(step: Step) -> bool:
    tagged = KINDS[step.resource.kind].tagged
    return (
        tagged
        and step.live is not None
        and step.live.owner is None
        and step.action in (Action.UPDATE, Action.REPLACE)
    )


class _Users(Struct, frozen=True):
    """The other users of one thing after the other. `own_api` is the id of the stack's API, None while there is none."""

    context: Context
    names: Names
    own_api: str | None

    def warnings(self, step: Step) -> Iterator[str]:
        live = step.live
        assert live is not None
        if (stack := live.fields.get("tags", {}).get(CLOUDFORMATION_TAG)) is not None:
            yield f"it belongs to the CloudFormation stack {stack}, which will change it back or delete it with its own template"
        reading: Mapping[str, Sequence[Callable[[Live], Iterator[str]]]] = {
            "function": (self._invokers, self._event_sources, self._rest_apis_of_function),
            "table": (lambda live: self._named_by(live, "table_name"), self._rest_apis_of_table),
            "secret": (lambda live: self._named_by(live, "parameter_name"),),
            "role": (self._of_role, self._rest_apis_of_role),
            "log_group": (self._of_log_group,),
            "api": (self._of_api,),
        }
        for users in reading.get(step.resource.kind, ()):
            try:
                yield from users(live)
            except PermissionDenied as error:
                yield f"whether others use it could not be read: {error.message}"

    def _invokers(self, live: Live) -> Iterator[str]:
        for user in invokers(self.context, live.fields["function_name"], self.own_api):
            yield f"{user.who} invokes it, too: {user.effect(self.names.api)}"

    def _event_sources(self, live: Live) -> Iterator[str]:
        name = live.fields["function_name"]
        for page in self.context.pages("lambda", "list_event_source_mappings", FunctionName=name):
            for source in page["EventSourceMappings"]:
                what = source.get("EventSourceArn", "a source of its own")
                yield f"it also receives events of {what}, which this stack's code does not expect"

    def _rest_apis_of_function(self, live: Live) -> Iterator[str]:
        """The URI of an integration may hold a stage's variable: then the function's policy names the API, at least."""
        name = live.fields["function_name"]
        allowed = allowed_apis(self.context, name)
        for api in rest_apis(self.context):
            if api.invokes(name) or api.api_id in allowed:
                yield f"{api.who} invokes it, too: {RUNS_OUR_CODE}"

    def _rest_apis_of_table(self, live: Live) -> Iterator[str]:
        for api in rest_apis(self.context):
            if api.names_table(live.fields["table_name"]):
                yield f"{api.who} uses it, too (a request template of its methods): {CHANGED_UNDER_IT}"

    def _rest_apis_of_role(self, live: Live) -> Iterator[str]:
        for api in rest_apis(self.context):
            if live.id in api.roles:
                yield f"{api.who} calls AWS with it, too: {SHARED_ROLE}"

    def _named_by(self, live: Live, field: str) -> Iterator[str]:
        names = {live.fields[field], live.outputs.get("arn", live.id)}
        for function in self._other_functions():
            variables = function.get("Environment", {}).get("Variables", {})
            if named := [variable for variable, value in variables.items() if value in names]:
                who = (
                    f"the function {function['FunctionName']} uses it, too (its variable {', '.join(named)})"
                )
                yield f"{who}: {CHANGED_UNDER_IT}"

    def _of_role(self, live: Live) -> Iterator[str]:
        for function in self._other_functions():
            if function.get("Role") == live.id:
                yield f"the function {function['FunctionName']} runs with it, too: {SHARED_ROLE}"

    def _of_log_group(self, live: Live) -> Iterator[str]:
        name = live.fields["group_name"]
        for function in self._other_functions():
            if function.get("LoggingConfig", {}).get("LogGroup") == name:
                yield f"the function {function['FunctionName']} logs to it, too: `destroy` deletes those logs"
        filters = self.context.client("logs").describe_subscription_filters(logGroupName=name)
        for each in filters["subscriptionFilters"]:
            yield f"the subscription {each['filterName']} sends it to {each['destinationArn']}: it will get this stack's logs"

    def _of_api(self, live: Live) -> Iterator[str]:
        api_id = live.outputs["id"]
        ours = {self.names.function(short) for short in self.names.functions}
        pages = self.context.pages("apigatewayv2", "get_integrations", ApiId=api_id)
        called = {_function_in(item.get("IntegrationUri", "")) for page in pages for item in page["Items"]}
        if others := sorted(name for name in called if name and name not in ours):
            yield f"its routes invoke {', '.join(others)} now: $connect, $disconnect and $default will invoke this stack's functions"
        if len(same := [api for api in self._apis() if api["Name"] == live.fields["api_name"]]) > 1:
            yield f"{len(same)} APIs have this name: the oldest is taken"
        client = self.context.client("apigatewayv2")
        domains = (
            item for page in self.context.pages("apigatewayv2", "get_domain_names") for item in page["Items"]
        )
        for domain in domains:
            if any(mapping["ApiId"] == api_id for mapping in _mappings(client, domain["DomainName"])):
                yield f"clients reach it by {domain['DomainName']}: they will talk to this stack's functions"

    def _apis(self) -> list[Mapping[str, Any]]:
        return [api for page in self.context.pages("apigatewayv2", "get_apis") for api in page["Items"]]

    def _other_functions(self) -> Iterator[Mapping[str, Any]]:
        ours = {self.names.function(short) for short in self.names.functions}
        for page in self.context.pages("lambda", "list_functions"):
            yield from (each for each in page["Functions"] if each["FunctionName"] not in ours)


def _mappings(client: Any, domain: str) -> Iterator[Mapping[str, Any]]:
    """The API mappings of a domain, of which one page is no more than some; botocore has no paginator for them."""
    place = {"DomainName": domain}
    while True:
        page = client.get_api_mappings(**place)
        yield from page["Items"]
        if not page.get("NextToken"):
            return
        place["NextToken"] = page["NextToken"]


def _function_in(uri: str) -> str | None:
    """The name of the function in the URI of an integration."""
    _, found, rest = uri.partition(":function:")
    return rest.partition("/")[0].partition(":")[0] if found else None
