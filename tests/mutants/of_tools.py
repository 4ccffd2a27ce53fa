"""Faults of the tools around a stack: the embedded AWS, packaging, settings, prices, checks, the command line."""

from __future__ import annotations

from typing import Final

from tests.mutants.planting import Fault, planted

LOCAL: Final[tuple[Fault, ...]] = (
    *planted(
        "local/gateway/throttle.py",
        "component/local/test_gateway_messages.py component/local/test_gateway_handshake.py",
        ("if self._tokens < 1:", "if self._tokens < 0:", "one message more than the burst"),
        ("stage.route_throttles.get(route_key, stage.throttle)", "stage.throttle", "the throttle of a route is ignored"),
    ),
    *planted(
        "local/gateway/selection.py",
        "unit/local/test_gateway_selection.py",
        ("if key and key not in RESERVED_ROUTES and key in routes:", "if key and key in routes:", "a message selects $connect"),
        ("and step < len(value):", "and step <= len(value):", "an index behind the list"),
    ),
    *planted(
        "local/gateway/handshake.py",
        "unit/local/test_gateway_request.py",
        ("if len(segments) != 2 or not all(segments):", "if len(segments) < 2 or not all(segments):", "a longer path reaches the stage"),
        ('if (self.header("sec-websocket-version") or "").strip() != "13":', 'if not self.header("sec-websocket-version"):', "another version of the protocol"),
    ),
    *planted(
        "local/gateway/management.py",
        "component/local/test_gateway_management.py",
        ('return http_response(410, error_type="GoneException")', 'return http_response(404, error_type="GoneException")', "404 for a closed connection"),
        ("if len(request.body) > MAX_MESSAGE_BYTES:", "if len(request.body) >= MAX_MESSAGE_BYTES:", "128 KB are too large"),
        ("return http_response(204)", "return http_response(200)", "another status of DeleteConnection"),
    ),
    *planted(
        "local/gateway/connection.py",
        "component/local/test_gateway_management.py",
        ("connection.api_id != api_id or connection.stage != stage", "connection.api_id != api_id", "a connection of another stage"),
    ),
    *planted(
        "local/gateway/connecting.py",
        "component/local/test_gateway_handshake.py",
        ("if result is None or result.status >= 300:", "if result is None or result.status >= 500:", "a client that $connect refuses is let in"),
    ),
    *planted(
        "local/gateway/authorizing.py",
        "component/local/test_gateway_handshake.py component/local/test_gateway_authorizers.py",
        ('return replace(BAD_AUTHORIZER, cause="the route has no authorizer")', "return None", "a route without its authorizer is open"),
        ("if denial is not None:", "if denial is None:", "a signature that is refused is let in"),
        ('if decision != "Allow":', 'if decision == "Deny":', "a policy that allows nothing lets in"),
    ),
    *planted(
        "local/gateway/messaging.py",
        "component/local/test_gateway_messages.py",
        ("or not route.has_route_response:", ":", "an answer without a route response"),
        ("exchange.fail(TOO_MANY_REQUESTS if route else FORBIDDEN)", "exchange.fail(FORBIDDEN)", "a throttled message is forbidden"),
    ),
    *planted(
        "local/gateway/integration.py",
        "unit/local/test_gateway_integration.py component/local/test_gateway_messages.py component/local/test_gateway_handshake.py",
        ("if not await self._control_plane.may_invoke(arn, source_arn, target.credentials_arn):", "if not arn:", "a function without a permission is invoked"),
        ("target.timeout_ms / 1000)", "target.timeout_ms)", "milliseconds are seconds"),
    ),
    *planted(
        "local/gateway/integration_result.py",
        "unit/local/test_gateway_integration.py component/local/test_gateway_messages.py component/local/test_gateway_handshake.py",
        ("if returned.function_error is not None:", "if returned.function_error == \"Handled\":", "a function that failed has an answer"),
    ),
    *planted(
        "local/executor/code.py",
        "unit/local/test_executor_code.py",
        ("        _inside(root, destination.parent / link, entry.filename)\n", "", "a link leads out of the package"),
        ("if mode & 0o777:\n", "if mode & 0o111:\n", "only modes of programs are kept"),
        ("if not package.users and now", "if now", "code in use is deleted"),
    ),
    *planted(
        "local/executor/pool.py",
        "component/local/test_executor_pool.py",
        ("and own.environment == function.environment", "", "a worker with the old variables"),
        ("if len(self._waiting) >= self._limits.max_waiting:", "if len(self._waiting) > self._limits.max_waiting:", "one too many waits"),
        ("if len(self._workers) >= limits.max_workers:", "if len(self._workers) > limits.max_workers:", "one worker too many"),
        ("if not invocation.is_abandoned(self._clock()):\n", "if invocation is not None:\n", "an invocation that nothing waits for is run"),
    ),
    *planted(
        "local/chime/rules.py",
        "component/local/test_chime_embedded.py component/local/test_chime_embedded_attendees.py",
        ("if value.lower().startswith(quotas.CHIME_RESERVED_PREFIX):", "if value.startswith(quotas.CHIME_RESERVED_PREFIX):", "AWS: is not reserved"),
        ("or partition(media_region) != partition(control_region)", "", "media in another partition"),
    ),
    *planted(
        "local/chime/operations.py",
        "component/local/test_chime_embedded.py component/local/test_chime_embedded_attendees.py",
        ("token = _page_token(page[-1]) if end < len(attendees) else None", "token = _page_token(page[-1]) if page else None", "a page too many"),
        ("attendee.external_user_id.lower() == external_user_id.lower()", "attendee.external_user_id == external_user_id", "one user has two attendees"),
        ('if len(meeting.attendees) >= features["Attendee"]["MaxCount"]:', 'if len(meeting.attendees) > features["Attendee"]["MaxCount"]:', "one attendee too many"),
        ("if meeting is not None and meeting.region == region:\n            for ended", "if meeting is not None:\n            for ended", "another Region deletes a meeting"),
    ),
    *planted(
        "local/control/iam_needs.py",
        "unit/local/test_authorization.py",
        ('if call.operation in ("CreateStateMachine", "UpdateStateMachine") and', 'if call.operation == "CreateStateMachine" and', "UpdateStateMachine passes any role"),
        ("if (creates or configures) and (role :=", "if creates and (role :=", "UpdateFunctionConfiguration passes any role"),
        ('return [Need("s3:TagResource", resource_arn)] if creates and b"<Tag>" in call.body else []', "return []", "a bucket's tags need no right"),
        ('("iam", "CreateUser"): "iam:TagUser",', "", "a user's tags need no right"),
        ('in (["apis"], ["stages"])', 'in (["apis"],)', "a stage's tags need no right"),
        ('("logs", "CreateLogGroup"): "logs:TagResource",', '("logs", "CreateLogGroup"): "logs:TagLogGroup",', "the old action"),
    ),
    *planted(
        "local/control/authorization.py",
        "unit/local/test_guard.py",
        ('if "Tags" not in answer or self._denial(call, Need("lambda:ListTags", self._resource(call))) is None:', 'if "Tags" not in answer or True:', "tags are shown to those who may not see them"),
        ("            if denied is not None:\n                return self._modules", "            if denied is None:\n                return self._modules", "dependent actions are refused when they are allowed"),
        ("or len(call.segments) != FUNCTION_SEGMENTS:", "or len(call.segments) < FUNCTION_SEGMENTS:", "other answers are filtered"),
    ),
    *planted(
        "local/control/denials.py",
        "unit/local/test_denials.py",
        ("scope is None or scope.group(1) == service", "scope is None or scope.group(1) != service", "a signature for another service"),
    ),
    *planted(
        "local/control/api_rules.py",
        "unit/local/test_api_rules.py",
        ("timeout_ms is None or least <= int(timeout_ms) <= most", "timeout_ms is None or least <= int(timeout_ms)", "a time-out over 29 s"),
    ),
    *planted(
        "local/control/validation.py",
        "unit/local/test_corrections.py unit/local/test_guard.py",
        ('if config.get("State") != "Pending" and', 'if', "a function that is Pending can be changed"),
    ),
    *planted(
        "local/ports.py",
        "unit/local/test_ports.py",
        ("return port if 0 < port < 65_536 else None", "return port", "a port that is none"),
        ("ports = [*([remembered] if remembered else []), *range(", "ports = [*range(", "the port of before is not tried"),
    ),
)  # fmt: skip

TOOLS: Final[tuple[Fault, ...]] = (
    *planted(
        "aws/errors.py",
        "unit/aws/test_errors.py",
        ("401: CredentialsError, 403: PermissionDenied, 404", "401: CredentialsError, 403: NotFound, 404", "a refusal is read as absent"),
        ("(Unavailable if status >= 500 else Rejected)", "(Unavailable if status > 500 else Rejected)", "500 is the caller's fault"),
        ("return Throttled if status == 429 else Rejected", "return Throttled", "a full quota is waited for"),
        ('f"{operation}: {redact(text)} ({code})",', 'f"{operation}: {text} ({code})",', "a token in an error"),
    ),
    *planted(
        "aws/pacing.py",
        "aws/test_pacing.py",
        ("min(self._burst, refilled) - 1.0, now", "refilled - 1.0, now", "a burst without an end"),
        ('if request.method != "GET":', 'if request.method == "GET":', "reads wait, writes do not"),
        ("if response is None or attempts >= DEPLOYMENT_ATTEMPTS:", "if response is None:", "repeated without an end"),
    ),
    *planted(
        "aws/item_pages.py",
        "aws/test_broadcast_targets.py aws/test_connection_store.py",
        ('{} if start_key is None else {"ExclusiveStartKey": start_key}', "{}", "the first page again and again"),
    ),
    *planted(
        "aws/session.py",
        "aws/test_session.py unit/aws/test_errors.py",
        ("if http_response.status_code >= 300:", "if http_response.status_code >= 400:", "a redirect is an answer"),
        ('event_name.rpartition(".")[2], exception, session)', 'event_name, exception, session)', "an event's name for an operation's"),
    ),
    *planted(
        "packaging/archive.py",
        "unit/packaging/test_archive.py component/packaging/test_builtin_zip.py component/packaging/test_node.py",
        ("for path in sorted(files):", "for path in files:", "the order decides the hash"),
        ("modes.get(path, REGULAR_FILE_0644) << 16", "REGULAR_FILE_0644 << 16", "programs cannot be run"),
        ("        if size_bytes > limit_bytes:", "        if size_bytes > 2 * limit_bytes:", "a zip that Lambda refuses"),
        ("zipfile.ZipInfo(path, EARLIEST)", "zipfile.ZipInfo(path, (1981, 1, 1, 0, 0, 0))", "another date"),
    ),
    *planted(
        "packaging/wheels.py",
        "component/packaging/test_requirements.py",
        ('"--only-binary=:all:"', '"--prefer-binary"', "packages are compiled here"),
        ("if done.returncode != 0:", "if done.returncode > 1:", "a failed download is used"),
        ('if rest[0] in ("purelib", "platlib") else None', 'if rest[0] in ("purelib",) else None', "compiled modules are left out"),
    ),
    *planted(
        "packaging/store.py",
        "unit/packaging/test_store.py",
        ("(*newest_first[KEPT:], *abandoned)", "(*newest_first[:-KEPT], *abandoned)", "the newest ones are deleted"),
        ("        shutil.rmtree(temporary, ignore_errors=True)\n", "        pass\n", "what was interrupted stays"),
    ),
    *planted(
        "packaging/builtin.py",
        "component/packaging/test_builtin_zip.py",
        ("if files[path] != extra[path])", "if path not in files)", "another version of PyJWT replaces ours"),
    ),
    *planted(
        "config/contradictions.py",
        "unit/config/test_loading.py",
        ("if modes[rule.mode_key] == rule.mode and not enabled[rule.service_key]:", "if not enabled[rule.service_key]:", "any mode is refused"),
    ),
    *planted(
        "config/loading.py",
        "unit/config/test_loading.py unit/config/test_files.py",
        ("if in_file is not None and in_file.value is not None and in_file.value != wanted:", "if False:", "the file of another environment"),
        (".removeprefix(prefix), table.origin)", ", table.origin)", "the prefix twice"),
        ("values = _read_file(path) if path is not None else {}\n    values.update(", "values = _read_file(path) if path is not None else {}\n    dict(values).update(", "variables are ignored"),
    ),
    *planted(
        "config/names.py",
        "unit/config/test_limits_of_names.py",
        ("MAX_STATE_MACHINE_NAME_CHARACTERS)", "200)", "a name that Step Functions refuses"),
        ('return f"{root}{self.stack}/{self._region}/"', 'return f"{root}{self.stack}/"', "one Region's plan takes another's role for an orphan"),
        ('return f"{_within(name, room)}-{self._region}"', "return _within(name, room)", "two Regions share a role"),
    ),
    *planted(
        "pricing/pricing.py",
        "unit/pricing/test_cost_pricing.py",
        ("(size_kb / unit_kb).to_integral_value(ROUND_CEILING)", "(size_kb / unit_kb)", "parts of messages are billed"),
        ("parts.append(max(ZERO, ceiling - floor))", "parts.append(max(ZERO, ceiling))", "tiers are added up"),
        ("taken = min(units, max(ZERO, free.quantity - gone))", "taken = min(units, free.quantity)", "a free tier twice"),
        ('if free.kind == "first_year" and free_tiers is not FreeTiers.FIRST_YEAR:', 'if free.kind == "first_year" and free_tiers is FreeTiers.FIRST_YEAR:', "the first year is never over"),
    ),
    *planted(
        "pricing/amounts.py",
        "unit/pricing/test_cost_pricing.py unit/cost/test_estimate.py",
        ('"k": 10**3,', '"k": 2**10,', "k is 1,024"),
        ('quantize(Decimal("0.01"), ROUND_HALF_UP)\n    sign', 'quantize(Decimal("0.01"))\n    sign', "half a cent is rounded to even"),
    ),
    *planted(
        "pricing/rates.py",
        "unit/pricing/test_cost_pricing.py",
        ("if any(high <= low for", "if any(high < low for", "a tier without a quantity"),
    ),
    *planted(
        "report/charts.py",
        "unit/load/test_charts.py",
        ("<figcaption>{escape(title)}</figcaption>", "<figcaption>{title}</figcaption>", "a title is not escaped"),
        ("y_of = _scale(0, ticks[-1], _FLOOR, _TOP)\n    parts = [_y_axis(ticks, unit)]", "y_of = _scale(0, ticks[-1], _TOP, _FLOOR)\n    parts = [_y_axis(ticks, unit)]", "lines are upside down"),
        ("for factor in (1, 2, 5, 10) if factor", "for factor in (1, 3, 7, 10) if factor", "ticks that are hard to read"),
    ),
    *planted(
        "doctor/check.py",
        "unit/doctor/test_doctor.py",
        ("Finding(Status.FAIL, error.message, advise(error))", "Finding(Status.SKIP, error.message, advise(error))", "an error is no failure"),
        ("    if found.missing:\n", "    if found.missing and found.unknown:\n", "missing rights are not told"),
    ),
    *planted(
        "doctor/areas/websocket.py",
        "unit/doctor/test_tokens_sent.py unit/doctor/test_doctor.py",
        ("accepted = [what for what, answer in answers.items() if answer.status == 101]", "accepted = [what for what, answer in answers.items() if answer.status == 200]", "an endpoint that lets all in"),
        ('or ttl.get("AttributeName") != "ttl"', "", "TTL on another attribute"),
        ("-_LIFE, now)", "_LIFE, now)", "the expired token has not expired"),
    ),
    *planted(
        "doctor/areas/chime.py",
        "unit/doctor/test_doctor.py",
        ("now - record.created_at > UNATTENDED", "now - record.created_at < UNATTENDED", "a meeting that is just being created"),
    ),
    *planted(
        "doctor/areas/secret.py",
        "unit/doctor/test_secret.py",
        ("if len(text.encode()) < MIN_SECRET_BYTES:", "if len(text) <= MIN_SECRET_BYTES:", "32 bytes are too short"),
    ),
    *planted(
        "environment/comparing.py",
        "unit/environment/test_env_check.py",
        ("if bool(key_id) != bool(secret):", "if key_id and not secret:", "a secret without its key"),
        ("Status.WARN if served else Status.FAIL", "Status.WARN", "a Region without Chime is a warning"),
    ),
    *planted(
        "environment/check.py",
        "unit/environment/test_env_check.py",
        ('for key in ("dependencies", "devDependencies")', 'for key in ("dependencies",)', "packages for development are not seen"),
    ),
    *planted(
        "cli/durations.py",
        "unit/cli/test_durations.py",
        ('"m": "minutes"', '"m": "hours"', "minutes are hours"),
    ),
    *planted(
        "cli/values.py",
        "unit/cli/test_values.py",
        ("return number if least <= number <= most else _LEFT_TO_TYPER", "return number", "a number outside of its range"),
    ),
    *planted(
        "cli/stack/provision.py",
        "unit/cli/test_plan_command.py",
        ("if detailed_exitcode and (made.changing or made.blocked):", "if detailed_exitcode and made.changing:", "exit code 0 with only blocked steps"),
    ),
    *planted(
        "cli/ws/broadcast_outcome.py",
        "unit/cli/test_broadcast_commands.py unit/cli/test_ws_commands.py",
        ("    if code is not ExitCode.DONE:", "    if code is ExitCode.INTERRUPTED:", "failures end with exit code 0"),
    ),
    *planted(
        "cli/terminal/output.py",
        "unit/cli/test_output.py",
        ("if self.as_json and not self._result_printed:", "if self.as_json:", "two JSON documents"),
        ("            return True\n        about", "            pass\n        about", "--yes asks"),
        ("        if not self.quiet:\n            self._line(self._words(text)", "        if self.quiet:\n            self._line(self._words(text)", "--quiet prints notes"),
    ),
    *planted(
        "endpoint.py",
        "unit/test_endpoint.py",
        ("tls = tls or host.endswith(_AWS_SUFFIXES)", "pass", "ws:// to AWS"),
        ("chosen = _only_segment(path, text) or stage", "chosen = stage", "the stage of the URL is ignored"),
    ),
    *planted(
        "message_size.py",
        "unit/broadcast/test_message.py unit/broadcast/test_estimate.py",
        ("if len(data) > MAX_MESSAGE_BYTES:", "if len(data) >= MAX_MESSAGE_BYTES:", "128 KB are too large"),
        ("max(1, -(-size_bytes // METERED_MESSAGE_BYTES))", "max(1, size_bytes // METERED_MESSAGE_BYTES)", "rounded down"),
    ),
)  # fmt: skip
