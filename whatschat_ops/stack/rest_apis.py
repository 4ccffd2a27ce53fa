"""What the REST APIs of a Region use: functions, tables and roles. Only reads.

A REST API is of version 1 of API Gateway, which GetApis of version 2 does not list. To read them takes `apigateway:GET` on
`/restapis`, which the operator's policy has no room for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from whatschat_ops.stack.kinds.context import Context


class RestApi(Struct, frozen=True):
    """`uris`, `templates` and `roles` (ARNs) are those of the integrations of its methods."""

    api_id: str
    name: str
    uris: frozenset[str]
    templates: frozenset[str]
    roles: frozenset[str]

    @property
    def who(self) -> str:
        """It, in words."""
        return f"the REST API {self.name} ({self.api_id})"

    def invokes(self, function: str) -> bool:
        """Whether a method invokes the function, or a version or alias of it."""
        return any(re.search(rf":function:{re.escape(function)}(:|/|$)", uri) for uri in self.uris)

    def names_table(self, table: str) -> bool:
        """Whether a method asks DynamoDB for the table: its name or ARN stands in the request template."""
        return any(re.search(rf'["/]{re.escape(table)}["/]', template) for template in self.templates)


def rest_apis(context: Context) -> list[RestApi]:
    """All REST APIs. Raises PermissionDenied."""
    pages = context.pages("apigateway", "get_rest_apis")
    return [_rest_api(context, api["id"], api["name"]) for page in pages for api in page.get("items", [])]


def _rest_api(context: Context, api_id: str, name: str) -> RestApi:
    found = list(_integrations(context, api_id))
    return RestApi(
        api_id,
        name,
        uris=frozenset(str(each.get("uri", "")) for each in found),
        templates=frozenset(text for each in found for text in each.get("requestTemplates", {}).values()),
        roles=frozenset(str(each["credentials"]) for each in found if each.get("credentials")),
    )


def _integrations(context: Context, api_id: str) -> Iterator[Mapping[str, Any]]:
    """GetResources gives methods and their integrations when they are asked for (API Gateway REST API Reference)."""
    for page in context.pages("apigateway", "get_resources", restApiId=api_id, embed=["methods"]):
        for resource in page.get("items", []):
            for method in resource.get("resourceMethods", {}).values():
                yield method.get("methodIntegration", {})
