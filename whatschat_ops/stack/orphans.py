"""What carries the stack's tag and is not wanted any more: a renamed table, a stage of another name.

Dashboards and subscriptions have no tags that can be searched: the topic of the alarms leads to them.

What version 0.1.0 called otherwise is such a thing, too, and stays while it is in use: its roles by another Region
(`earlier_roles.py`), its bucket by broadcasts that can be resumed.

One listing per service, all at once, however much there is in the account: the tagging service (it knows nothing of
IAM), stages (their listing shows tags), roles by path, log groups by our names. A plan needs most of them anyway and shares
them. Whatever a listing brings is read like any resource of its kind and is an orphan only if its own
tag says that it is ours. A refused listing (403) is an error: "no orphans" would be a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import LOAD_WORKER, STACK_TAG
from whatschat_ops.errors import PROVISION, Hint, PermissionDenied
from whatschat_ops.provision import Kind, Resource
from whatschat_ops.stack.earlier_roles import why_in_use
from whatschat_ops.stack.kinds import KINDS
from whatschat_ops.stack.kinds.api import find_apis
from whatschat_ops.stack.kinds.bucket import RUNS, Bucket
from whatschat_ops.stack.kinds.context import Context
from whatschat_ops.stack.kinds.event_rule import EventRule
from whatschat_ops.stack.kinds.function import Function
from whatschat_ops.stack.kinds.log_group import list_log_groups
from whatschat_ops.stack.kinds.role import Role, is_earlier_path
from whatschat_ops.stack.kinds.topic import ADDRESS_TAG, EMAIL, Topic
from whatschat_ops.stack.parts.blueprint import API


def _orphan(kind: str, name: str, fields: Mapping[str, Any], after: Iterable[str] = ()) -> Resource:
    """A logical name of its own kind: a table called `connections` is not `table.connections`, the wanted one."""
    return Resource(kind, f"orphan/{name}", fields, frozenset(after))


class Orphans(Struct, frozen=True):
    """Searches for what is left of one stack. `kinds` read what the listings bring. `destroying`: no run is kept."""

    settings: Settings
    context: Context
    kinds: Mapping[str, Kind]
    destroying: bool = False

    def find(self, known: Iterable[Resource]) -> tuple[Resource, ...]:
        """Everything of ours that is not among `known` resources, as resources to be unwanted."""
        names = self._names_of(known)
        listings: Sequence[Callable[[], Iterable[Resource]]] = (
            self._tagged, self._stages, self._roles, self._log_groups, self._monitoring,
        )  # fmt: skip
        with ThreadPoolExecutor(max_workers=len(listings), thread_name_prefix="orphans") as pool:
            found = [
                resource for listed in pool.map(lambda one: list(one()), listings) for resource in listed
            ]
        candidates = {r.address: r for r in found if (r.kind, self._identity(r)) not in names}
        ours = [resource for resource in candidates.values() if self._is_ours(resource)]
        kept = self._kept(ours)
        return tuple(replace(resource, kept=kept.get(resource.address)) for resource in ours)

    def _kept(self, orphans: Sequence[Resource]) -> dict[str, str | None]:
        """Address -> why it stays, of what version 0.1.0 called otherwise."""
        roles = [r for r in orphans if r.kind == Role.name and is_earlier_path(r.fields["path"])]
        leaving = [r.fields["function_name"] for r in orphans if r.kind == Function.name]
        why = why_in_use(self.context, self._names, leaving) if roles else None
        kept = {role.address: why for role in roles}
        if self.destroying or not self.settings.broadcast.distributed.enabled:
            return kept
        bucket = self._names.earlier_broadcast_bucket(self.context.aws.account_id)
        for orphan in orphans:
            if orphan.kind == Bucket.name and orphan.fields["bucket_name"] == bucket:
                kept[orphan.address] = self._why_bucket_stays(bucket)
        return kept

    def _why_bucket_stays(self, bucket: str) -> str | None:
        found = self.context.client("s3").list_objects_v2(Bucket=bucket, Prefix=f"{RUNS}/", MaxKeys=1)
        return "it holds broadcasts of an earlier version" if found.get("KeyCount") else None

    @property
    def _names(self) -> Names:
        return Names(self.settings, self.context.aws.region)

    def _names_of(self, known: Iterable[Resource]) -> set[tuple[str, Any]]:
        apart = (
            Resource("table", name, {"table_name": name})
            for name in (self._names.lock_table, self._names.audit_table)
        )
        migration = Resource("secret", "migration", {"parameter_name": self._names.migration_parameter})
        # Written by `migrate` and by `ws load`, deleted with the stack.
        kept = () if self.destroying else (migration, *self._load_worker())
        simple = [r for r in (*known, *apart, *kept) if len(self.kinds[r.kind].identity) == 1]
        return {(resource.kind, self._identity(resource)) for resource in simple}

    def _load_worker(self) -> tuple[Resource, ...]:
        """What `ws load` made for its workers. It is left over once there are no distributed broadcasts, whose bucket it needs."""
        if not self.settings.broadcast.distributed.enabled:
            return ()
        names = self._names
        return (
            Resource("function", LOAD_WORKER, {"function_name": names.function(LOAD_WORKER)}),
            Resource("log_group", LOAD_WORKER, {"group_name": names.function_log_group(LOAD_WORKER)}),
            Resource("role", LOAD_WORKER, {"role_name": names.load_worker_role}),
        )

    def _identity(self, resource: Resource) -> Any:
        return tuple(str(resource.fields[name]) for name in self.kinds[resource.kind].identity)

    def _is_ours(self, resource: Resource) -> bool:
        kind = self.kinds[resource.kind]
        if not kind.tagged:
            return True  # its listing showed the tag
        try:
            live = kind.read(resource.fields)
        except PermissionDenied as error:
            raise self._refused(resource, error) from error
        return live is not None and live.owner == self._names.stack

    def _refused(self, resource: Resource, error: PermissionDenied) -> PermissionDenied:
        """What may not be looked at, and whose right that is. Only `destroy` looks at the parameter of the migration."""
        what = f"{resource.address} seems to be left over of {self._names.stack}"
        hint = Hint(PROVISION.argv, "Restore its name in the settings, or let an administrator run")
        if self.destroying:
            hint = Hint(("destroy",), "Nothing was deleted. Let an administrator run")
            if resource.fields.get("parameter_name") == self._names.migration_parameter:
                what = f"{self._names.stack} has a migration, whose parameter is deleted with the stack"
                hint = Hint(
                    ("iam", "policies", "operator-migration"),
                    "Nothing was deleted. See the policy that allows it",
                )
        return PermissionDenied.of(error, f"{what}, and you may not look at it: {error.message}", hint=hint)

    def _tagged(self) -> Iterator[Resource]:
        for arn in self.context.tagged(self._names.stack):
            yield from _resource_of(arn)

    def _stages(self) -> Iterator[Resource]:
        """Stages of our API but the wanted one. (A second API of ours is the kind's own affair: `surplus`.)"""
        name, stack = self._names.api, self._names.stack
        api_id = next((api.id for api in find_apis(self.context, name) if api.owner == stack), None)
        if api_id is None:
            return
        pages = self.context.pages("apigatewayv2", "get_stages", ApiId=api_id)
        for stage in (stage for page in pages for stage in page["Items"]):
            name = stage["StageName"]
            if name != self.settings.websocket.stage and stage.get("Tags", {}).get(STACK_TAG) == stack:
                yield _orphan("stage", name, {"api_id": api_id, "stage_name": name}, {API})

    def _roles(self) -> Iterator[Resource]:
        """Roles have a path of ours; their tags are not in a listing. Other Regions have paths of their own."""
        names = self._names
        prefixes = {names.earlier_iam_path} | (
            set() if names.iam_path.startswith(names.earlier_iam_path) else {names.iam_path}
        )
        pages = [
            page
            for each in sorted(prefixes)
            for page in self.context.pages("iam", "list_roles", PathPrefix=each)
        ]
        for role in (role for page in pages for role in page["Roles"]):
            if (path := role["Path"]) in (names.iam_path, names.earlier_iam_path):
                yield _orphan("role", role["RoleName"], {"role_name": role["RoleName"], "path": path})

    def _log_groups(self) -> Iterator[Resource]:
        """Log groups of functions that are named like ours, and that of Chime's events."""
        for group in list_log_groups(self.context, self._names.function_log_group("")):
            yield _orphan("log_group", group["logGroupName"], {"group_name": group["logGroupName"]})
        rules = map(EventRule.name_in, self.context.tagged(self._names.stack))
        if not self.settings.chime.events and self._names.chime_event_rule in rules:
            # It goes before its rule, which leads to it.
            name, rule = (
                self._names.chime_event_log_group,
                f"event_rule.orphan/{self._names.chime_event_rule}",
            )
            yield _orphan("log_group", name, {"group_name": name}, {rule})

    def _monitoring(self) -> Iterator[Resource]:
        """The dashboard of monitoring that was turned off; addresses that are not in the settings any more."""
        names, monitoring = self._names, self.settings.monitoring
        arn = Topic.arn.of(self.context.place, names.alarm_topic)
        tags = self.context.tagged(names.stack).get(arn)
        if tags is not None and not monitoring.enabled:
            # It goes before the topic, which leads to it.
            topic = f"topic.orphan/{names.alarm_topic}"
            yield _orphan("dashboard", names.dashboard, {"dashboard_name": names.dashboard}, {topic})
        elif tags is not None:
            ours = {address for key, address in tags.items() if key.startswith(ADDRESS_TAG)}
            for address in sorted(ours - set(monitoring.emails)):
                fields = {"topic_arn": arn, "protocol": EMAIL, "endpoint": address}
                yield _orphan("subscription", address, fields)


def _resource_of(arn: str) -> Iterator[Resource]:
    """A resource of a kind that we know; nothing for others of these services that carry our tag (an SSM document)."""
    for kind in KINDS.values():
        name = kind.name_in(arn.removesuffix(":*")) if len(kind.identity) == 1 else None
        if name is not None:
            # A function that still runs would create its log group again: the group goes last.
            after = {f"log_group.orphan//aws/lambda/{name}"} if kind is Function else set()
            yield _orphan(kind.name, name, {kind.identity[0]: name}, after)
