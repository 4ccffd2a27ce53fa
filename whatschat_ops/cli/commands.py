"""The commands of the program: where each is, and what it does in at most eight words.

The one table that the program, its help, its completion, its hints and docs/commands.md are made from. Imports nothing, so
that the help of the program and of a group waits for no command; a test compares the lines with the commands' docstrings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias


class Command(NamedTuple):
    """`function` is `<module of whatschat_ops.cli>:<function>`; `summary` is the first line of its docstring."""

    summary: str
    function: str


class Group(NamedTuple):
    """Commands that belong together, and an example of one of them."""

    summary: str
    example: str
    commands: Mapping[str, Command | Group]


Entry: TypeAlias = Command | Group

COMMANDS: Final[Mapping[str, Entry]] = {
    "init": Command("Create the configuration file of an environment", "environments:init"),
    "provision": Command("Create or update the stack", "stack.provision:provision"),
    "plan": Command("Show what provision would change", "stack.provision:plan"),
    "status": Command("Show the state of every resource", "stack.status:status"),
    "destroy": Command("Delete the stack", "stack.provision:destroy"),
    "unlock": Command("Remove the lock of the stack", "stack.provision:unlock"),
    "watch": Command("Watch the stack live", "watch:watch"),
    "doctor": Command("Diagnose the stack and suggest fixes", "doctor:doctor"),
    "explain": Command("Explain an error text, code or close code", "explain:explain"),
    "schema": Command("Print the JSON Schema of a command's --json", "schema:schema"),
    "whoami": Command("Show the account, role, Region and stack", "environments:whoami"),
    "completion": Command("Print the completion script of a shell", "completion:completion"),
    "config": Group(
        "Show and check the settings",
        "config show -e staging",
        {
            "show": Command("Show every setting and its origin", "config:show"),
            "validate": Command("Check the settings", "config:validate"),
            "schema": Command("Print the JSON Schema of configuration files", "config:schema"),
            "reference": Command("Describe every setting", "config:reference"),
        },
    ),
    "local": Group(
        "Manage the embedded AWS on this machine",
        "local status",
        {
            "start": Command("Start the embedded AWS", "local:start"),
            "stop": Command("Stop the embedded AWS", "local:stop"),
            "status": Command("Show the state of the embedded AWS", "local:status"),
            "reset": Command("Delete all data of the embedded AWS", "local:reset"),
            "logs": Command("Show the log of the embedded AWS", "local:logs"),
            "env": Command("Print environment variables for AWS clients", "local:env"),
            "clock": Group(
                "Move the clock of the embedded AWS",
                "local clock advance 10m",
                {"advance": Command("Move the clock forward", "local:advance_clock")},
            ),
            "chime": Group(
                "Simulate who is connected to meetings",
                "local chime attend call-alice-1766000000000 alice",
                {
                    "attend": Command("Connect an attendee to a meeting", "local_chime:attend"),
                    "leave": Command("Disconnect an attendee from a meeting", "local_chime:leave"),
                },
            ),
        },
    ),
    "audit": Group(
        "Show what operators did",
        "audit list --user alice",
        {"list": Command("List what operators did", "audit:list_entries")},
    ),
    "table": Group(
        "Manage the connections table alone",
        "table describe",
        {
            "create": Command("Create or update the connections table", "stack.table:create"),
            "describe": Command("Show the connections table", "stack.table:describe"),
            "delete": Command("Delete the connections table", "stack.table:delete"),
        },
    ),
    "lambda": Group(
        "Package, deploy and invoke the functions",
        "lambda deploy connect --canary 10",
        {
            "package": Command("Build the deployment packages", "stack.functions:package"),
            "deploy": Command("Deploy the functions", "stack.functions:deploy"),
            "promote": Command("Route all traffic to the canary", "stack.functions:promote"),
            "rollback": Command("Route traffic back to the previous version", "stack.functions:rollback"),
            "list": Command("List the deployed functions", "stack.functions:list_"),
            "invoke": Command("Invoke a function", "stack.functions:invoke"),
        },
    ),
    "iam": Group(
        "Print, attach and check IAM policies",
        "iam check backend --role whatschat-backend",
        {
            "policies": Command("Print the IAM policies", "stack.iam:policies"),
            "attach": Command("Attach a policy to an IAM identity", "stack.iam:attach"),
            "detach": Command("Detach a policy from an IAM identity", "stack.iam:detach"),
            "check": Command("Find missing and unneeded permissions", "stack.iam:check"),
        },
    ),
    "token": Group(
        "Create and inspect connection tokens",
        "token mint --user alice",
        {
            "mint": Command("Create a token for a user", "token:mint"),
            "inspect": Command("Decode a token and check it", "token:inspect_token"),
            "secret": Group(
                "Manage the secret that signs tokens",
                "token secret rotate",
                {"rotate": Command("Replace the secret that signs tokens", "token:rotate")},
            ),
        },
    ),
    "ws": Group(
        "Use and manage the WebSocket API",
        "ws connect --user alice",
        {
            "endpoint": Command("Print the URL that clients connect to", "ws.group:endpoint"),
            "connect": Command("Open an interactive connection", "ws.group:connect"),
            "chat": Command("Talk with other users", "ws.chat:chat"),
            "listen": Command("Print the messages that a user gets", "ws.chat:listen"),
            "send": Command("Send a message to users", "ws.group:send"),
            "broadcast": Command("Send a message to many connections", "ws.broadcast:broadcast"),
            "broadcasts": Group(
                "Show, stop and delete broadcasts",
                "ws broadcasts show latest",
                {
                    "list": Command("List past broadcasts", "ws.broadcasts:list_runs"),
                    "show": Command("Show the result of a broadcast", "ws.broadcasts:show"),
                    "stop": Command("Stop a distributed broadcast", "ws.stopping:stop"),
                    "delete": Command("Delete past broadcasts", "ws.broadcasts:delete"),
                },
            ),
            "connections": Group(
                "List, inspect and close connections",
                "ws connections list --user alice",
                {
                    "list": Command("List connections", "ws.connections:list_connections"),
                    "get": Command("Show a connection", "ws.connections:get"),
                    "delete": Command("Close a connection", "ws.connections:delete"),
                    "stats": Command("Count connections by user and age", "ws.stats:stats"),
                },
            ),
            "prune": Command("Delete the rows of closed connections", "ws.housekeeping:prune"),
            "disconnect": Command("Close the connections of users", "ws.housekeeping:disconnect"),
            "load": Command("Run a load test", "ws.load:load"),
            "compare": Command("Compare two paths of messages", "ws.compare:compare"),
        },
    ),
    "chime": Group(
        "Manage Chime SDK meetings and attendees",
        "chime meeting list",
        {
            "check": Command("Check whether meetings can be held", "chime.check:check"),
            "meeting": Group(
                "Create, list and delete meetings",
                "chime meeting create --user alice --attendee bob",
                {
                    "create": Command("Create a meeting", "chime.meetings:create_meeting"),
                    "get": Command("Show a meeting", "chime.meetings:get_meeting"),
                    "list": Command("List meetings", "chime.meetings:list_meetings"),
                    "delete": Command("Delete meetings", "chime.meetings:delete_meetings"),
                    "sweep": Command("Delete meetings that tests left behind", "chime.sweep:sweep"),
                },
            ),
            "attendee": Group(
                "Create, list, change and delete attendees",
                "chime attendee list call-alice-1766000000000",
                {
                    "create": Command("Add attendees to a meeting", "chime.attendees:create_attendees"),
                    "batch": Command("Add the users of a file", "chime.attendees:create_batch"),
                    "list": Command("List the attendees of a meeting", "chime.attendees:list_attendees"),
                    "get": Command("Show an attendee", "chime.attendees:get_attendee"),
                    "join-info": Command(
                        "Print what amazon-chime-sdk-js joins with", "chime.attendees:join_info"
                    ),
                    "capabilities": Command(
                        "Change what attendees can send and receive", "chime.attendees:change_capabilities"
                    ),
                    "delete": Command("Remove an attendee from a meeting", "chime.attendees:delete_attendee"),
                },
            ),
            "usage": Command("Show attendee-minutes and their cost", "chime.usage:usage"),
            "events": Command("Show the events of meetings", "chime.events:events"),
        },
    ),
    "metrics": Group(
        "Show the metrics of the stack",
        "metrics show --last 24h --compare",
        {"show": Command("Show requests, errors, durations and open connections", "metrics:show")},
    ),
    "call": Group(
        "Make test calls",
        "call test --duration 10",
        {"test": Command("Make a test call and measure it", "call.group:call_test")},
    ),
    "logs": Group(
        "Read the logs of the stack",
        "logs tail --follow",
        {
            "tail": Command("Show the events of all log groups", "logs.tail:tail"),
            "trace": Command("Show the life of a connection", "logs.trace:trace"),
        },
    ),
    "cost": Group(
        "Estimate the monthly cost",
        "cost estimate --messages 10M --users 1000 --hours-per-day 8",
        {
            "estimate": Command("Estimate the cost of a month", "cost.group:estimate"),
            "report": Command("Write a page about a month's cost", "cost.report:report"),
            "compare": Command("Compare the cost of two months", "cost.compare:compare"),
            "actual": Command("Measure what was used and price it", "cost.actual:actual"),
            "reconcile": Command("Compare estimate, measured usage and bill", "cost.reconcile:reconcile"),
            "verify": Command("Compare the estimate with AWS's calculator", "cost.verify:verify"),
            "forecast": Command("Forecast the cost of the next days", "cost.forecast:forecast"),
            "budget": Group(
                "Watch a monthly amount",
                "cost budget set 500 --notify ops@example.com",
                {
                    "show": Command("Show the budget and its alarm", "cost.budget:show"),
                    "set": Command("Create or change the monthly budget", "cost.budget:set_"),
                    "delete": Command("Delete the budget and its alarm", "cost.budget:delete"),
                },
            ),
            "rates": Group(
                "Show and refresh the prices that estimates use",
                "cost rates show",
                {
                    "list": Command("List the Regions whose prices are known", "cost.rates:list_cards"),
                    "show": Command("Show the prices that estimates use", "cost.rates:show"),
                    "diff": Command("Show which prices differ between two cards", "cost.rates:diff"),
                    "refresh": Command("Read the prices of a Region from AWS", "cost.rates:refresh"),
                },
            ),
            "usage": Group(
                "Convert logs for cost actual",
                "cost usage import logs/ -o usage/",
                {"import": Command("Convert logs to Parquet once", "cost.usage:import_")},
            ),
        },
    ),
    "migrate": Group(
        "Migrate users to API Gateway and Chime",
        "migrate plan",
        {
            "status": Command("Show the phases, shares and open sockets", "migrate.status:status"),
            "plan": Command("Show what the next step would change", "migrate.steps:plan"),
            "start": Command("Start a migration, or finish a change", "migrate.steps:start"),
            "advance": Command("Migrate more users, or the next phase", "migrate.steps:advance"),
            "hold": Command("Stop further steps until released", "migrate.steps:hold"),
            "rollback": Command("Go back to the step before", "migrate.steps:rollback"),
            "history": Command("List the steps of the migration", "migrate.status:history"),
        },
    ),
    "env": Group(
        "Write and check the application's environment variables",
        "env render backend",
        {
            "render": Group(
                "Write the variables for one application",
                "env render frontend --output apps/web/.env.local",
                {
                    "backend": Command("Write the .env of the backend", "env:backend"),
                    "frontend": Command("Write the .env.local of the frontend", "env:frontend"),
                },
            ),
            "check": Command("Compare existing files with the stack", "env:check"),
            "list": Command("List the environments that have settings", "environments:list_"),
        },
    ),
    "export": Group(
        "Export the stack for other tools",
        "export cloudformation --output stack.yaml",
        {
            "cloudformation": Command(
                "Export the stack as a CloudFormation template", "stack.export:cloudformation"
            )
        },
    ),
}
"""In the order of `--help`."""

PLACED_COMMANDS: Final = tuple(name for name in COMMANDS if name not in ("local", "explain", "schema"))
"""Commands that mean an environment: all but `local`, `explain` and `schema`."""


def every_command(commands: Mapping[str, Entry] = COMMANDS, path: str = "") -> Iterator[tuple[str, Entry]]:
    """Path -> command or group, groups before what is in them: `ws`, `ws endpoint`, ..."""
    for name, entry in commands.items():
        here = f"{path} {name}".strip()
        yield here, entry
        if isinstance(entry, Group):
            yield from every_command(entry.commands, here)


MODULES: Final = tuple(
    dict.fromkeys(
        f"whatschat_ops.cli.{entry.function.partition(':')[0]}"
        for _, entry in every_command()
        if isinstance(entry, Command)
    )
)
"""The modules that the commands are in."""
