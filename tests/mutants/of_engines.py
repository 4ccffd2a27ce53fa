"""Faults of the engines: provision, sender."""

from __future__ import annotations

from typing import Final

from tests.mutants.planting import Fault, planted

PROVISION: Final[tuple[Fault, ...]] = (
    *planted(
        "provision/comparing.py",
        "unit/provision/test_engine.py",
        (
            "and not field.input_only and name not in kind.identity",
            "and name not in kind.identity",
            "bytes of a zip are compared",
        ),
        (
            "not is_known(desired[name]) or not kind.fields[name].matches",
            "is_known(desired[name]) and not kind.fields[name].matches",
            "what is known after apply is no change",
        ),
        (
            "FieldChange(name, live.fields[name], None, sensitive=field.sensitive)",
            "FieldChange(name, live.fields[name], None)",
            "a secret is shown when it is deleted",
        ),
    ),
    *planted(
        "provision/planning.py",
        "unit/provision/test_engine.py",
        (
            "if live.owner == self._ownership.owner or (live.owner is None and self._ownership.adopt):",
            "if live.owner == self._ownership.owner or self._ownership.adopt:",
            "--adopt takes what another stack owns",
        ),
        (
            "if live.protected and not self._ownership.delete_data:\n            return replace(protected",
            "if live.protected and self._ownership.delete_data:\n            return replace(protected",
            "a protected table is replaced without --delete-data",
        ),
        (
            "if step.action in (Action.CREATE, Action.REPLACE):\n            self._new.add",
            "if step.action is Action.CREATE:\n            self._new.add",
            "what is in something that is replaced is thought to be there still",
        ),
        (
            "lives |= _read_all(found, kinds)",
            "lives |= dict.fromkeys(found)",
            "what a search finds is never read",
        ),
        (
            "if address in outcome.errors:\n            raise outcome.errors[address]",
            "if address in outcome.errors:\n            lives[address] = None",
            "a refused read counts as absent",
        ),
        (
            "if not all(kind.fields[change.field].steady for change in step.changes):",
            "if not step.changes:",
            "a new version is taken for known",
        ),
    ),
    *planted(
        "provision/applying.py",
        "unit/provision/test_engine.py",
        (
            "if live is None or (kind.tagged and live.owner != self._owner):",
            "if live is None:",
            "after a conflict another stack's resource is updated",
        ),
        ("if missing and not errors:", "if missing and errors:", "an interrupted run says that it is done"),
        (
            "if step.live is not None and step.goes_with is None:",
            "if step.live is not None:",
            "a call for each thing that goes with its container",
        ),
        (
            "return kind.update(live, desired, frozenset(c.field for c in changes)) if changes else live",
            "return live",
            "what a killed run left half made stays so",
        ),
        (
            "graph = {step.address: step.after & worker.steps.keys() for step in plan}",
            "graph = {step.address: frozenset[str]() for step in plan}",
            "steps do not wait for what they need",
        ),
    ),
    *planted(
        "provision/deleting.py",
        "unit/provision/test_engine.py",
        (
            "if kind.tagged and live is not None and live.owner != self.ownership.owner:",
            "if kind.tagged and live is not None and live.owner is None:",
            "another stack's resource is deleted",
        ),
        (
            "if live.protected and not self.ownership.delete_data:\n            return protected(resource, live)",
            "if live.protected and not kind.holds_data:\n            return protected(resource, live)",
            "destroy deletes a protected table",
        ),
        (
            "after=first | (self._dependents(resource) if goes_with is None else {goes_with}),",
            "after=first | (frozenset() if goes_with is None else {goes_with}),",
            "a role is deleted before its function",
        ),
        (
            "if (reason := self._kept(resource)) is not None:",
            "if (reason := kind.kept) is not None:",
            "an untagged one is deleted",
        ),
    ),
    *planted(
        "provision/schedule.py",
        "unit/provision/test_schedule.py unit/provision/test_engine.py component/provision/test_properties.py",
        (
            "if d in outcome.errors or d in outcome.skipped]",
            "if d in outcome.errors]",
            "what needs something skipped is started",
        ),
        ("len(running) < concurrency and", "len(running) <= concurrency and", "one step too many at once"),
        ("key=lambda node: -chains[node]", "key=lambda node: chains[node]", "the longest chain comes last"),
        ("max(lengths[dependency], length + 1)", "max(lengths[dependency], length)", "chains have no length"),
    ),
    *planted(
        "provision/planfile.py",
        "unit/provision/test_planfile.py",
        (
            "if (self.plan.stack, self.place) != (stack, place):",
            "if self.plan.stack != stack:",
            "a plan of another account",
        ),
        ("if settings != self.options.settings:", "if not settings:", "a plan of other settings"),
        (
            "if self.plan.changes and not made.changing and not made.blocked:",
            "if self.plan.changes and not made.changing:",
            "nothing is left to do, but something is blocked",
        ),
        (
            'return {"secret": value.reveal()}',
            'return {"secret": "secret"}',
            "another secret gives the same fingerprint",
        ),
    ),
    *planted(
        "provision/report.py",
        "unit/provision/test_plan_schema.py unit/provision/test_planfile.py unit/provision/test_engine.py unit/cli/test_plan_view.py",
        (
            "return SENSITIVE if sensitive else _without_secrets(value, old)",
            "return _without_secrets(value, old)",
            "sensitive values in the plan's report",
        ),
        (
            "destructive=step.action in (Action.DELETE, Action.REPLACE),",
            "destructive=step.action is Action.DELETE,",
            "a replacement is not called destructive",
        ),
        (
            "changes=bool(plan.changing or plan.blocked),",
            "changes=bool(plan.changing),",
            "blocked steps are no changes",
        ),
    ),
    *planted(
        "provision/values.py",
        "unit/provision/test_engine.py",
        (
            "json.dumps(tree, sort_keys=True,",
            "json.dumps(tree, sort_keys=False,",
            "the order of keys changes a digest",
        ),
        ("return UNKNOWN if UNKNOWN in parts else", "return", "an unknown part is written into a text"),
    ),
    *planted(
        "provision/kind.py",
        "unit/provision/test_engine.py aws/test_stack_kinds.py",
        (
            "key in live and live[key] == value for",
            "key in live for",
            "tags with other values count as there",
        ),
    ),
)

SENDER: Final[tuple[Fault, ...]] = (
    *planted(
        "sender/verdict.py",
        "unit/sender/test_verdict.py",
        ("if attempts >= policy.max_attempts:", "if attempts > policy.max_attempts:", "one attempt too many"),
        ("if elapsed_s + delay_s > policy.deadline_s:", "if delay_s > policy.deadline_s:", "the time that has passed is forgotten"),
        ("return status in (0, 408, 429) or 500 <= status < 600", "return status in (0, 429) or 500 <= status < 600", "408 fails at once"),
        ("SHORTEST_BACKOFF_S * 2.0 ** min(attempts, 16)", "SHORTEST_BACKOFF_S * 2.0 * min(attempts, 16)", "linear backoff"),
    ),
    *planted(
        "sender/work.py",
        "unit/sender/test_work.py",
        ("if len(targets) < batch:", "if len(targets) <= batch:", "waits after a full batch"),
        ("self._waiting[0][0] <= now_s", "self._waiting[0][0] < now_s", "what is due at this moment waits"),
        ("if len(self._waiting) + batch > MOST_WAITING:", "if batch > MOST_WAITING:", "no limit on what waits"),
    ),
    *planted(
        "sender/keys.py",
        "unit/sender/test_keys.py",
        ("expires_at.timestamp() - RENEW_BEFORE_S", "expires_at.timestamp() + RENEW_BEFORE_S", "renewed after they have expired"),
        ("if version != self.version:", "if version > self.version:", "an old refusal renews new keys"),
        (
            "return keys.access_key_id, keys.secret_access_key, keys.session_token",
            "return keys.access_key_id, keys.secret_access_key",
            "another session token is no new key",
        ),
    ),
    *planted(
        "sender/adaptive_rate.py",
        "unit/sender/test_adaptive_rate.py",
        ("min(self._burst, self.tokens + ", "max(self._burst, self.tokens + ", "the bucket has no bottom"),
        ("if share > TOLERATED_SHARE:", "if share > 0:", "a single refusal slows a run down"),
        ("if self.tokens < 1.0:\n            return False", "if self.tokens <= 0:\n            return False", "a part of a token is enough"),
    ),
    *planted(
        "sender/signing.py",
        "unit/sender/test_signing_requests.py",
        ('encoded.replace(b"%", b"%25")', "encoded", "the path is encoded once"),
        ('headers["x-amz-security-token"] = self._token', "pass", "the session token is not signed"),
        ("if day != self._day:", "if not self._day:", "yesterday's key after midnight"),
    ),
    *planted(
        "sender/loop.py",
        "component/sender/test_loop.py",
        ("if job.attempts == 0:\n            job.began_s = now_s", "job.began_s = now_s", "a deadline that begins again with each attempt"),
        (
            "if isinstance(verdict, Retry):\n            self._note_in_doubt()",
            "if not isinstance(verdict, Retry):\n            self._note_in_doubt()",
            "a second copy that is not counted",
        ),
        ("if answer.keep_alive:", "if answer.status < 500:", "a connection that the other side closes is used again"),
        ("        finally:\n            self._hand_over()", "        finally:\n            self._tell_rate()", "the last results are lost"),
    ),
    *planted(
        "sender/failures.py",
        "component/sender/test_loop.py",
        ("OF_THE_RUN: Final = frozenset({401, 403, 404, 405})", "OF_THE_RUN: Final = frozenset({401, 403, 405})", "a wrong URL fails every connection"),
        ("job.attempts -= 1  # it said nothing", "# it said nothing", "expired keys use up an attempt"),
    ),
    *planted(
        "sender/route.py",
        "component/sender/test_route.py",
        ("proxy.port or 80, Secret", "url.port or 80, Secret", "the port of the endpoint for the proxy's"),
        ("host_header=host if port == _PORTS[url.scheme] else", "host_header=host if port in (80, 443) else", "http on port 443"),
    ),
    *planted(
        "sender/pool.py",
        "component/sender/test_pool.py component/sender/test_loop.py",
        ("return len(self.all) < self._limit and", "return len(self.all) <= self._limit and", "one TCP connection too many"),
        ("self._failures, self._ever_open = 0, True", "self._ever_open = True", "failures are never forgotten"),
    ),
    *planted(
        "sender/answers.py",
        "unit/sender/test_answers.py",
        ('return named.split(":")[0].rpartition("#")[2]', 'return named.rpartition("#")[2]', "the URL stays in the code"),
        ("and whole == len(received) and not ended", "and not ended", "what follows an answer is read as the next"),
    ),
    *planted(
        "sender/successes.py",
        "unit/sender/test_successes.py",
        ("if answer.status != 200 or answer.body or", "if answer.status != 200 or", "an answer with a body is learnt"),
    ),
)  # fmt: skip
