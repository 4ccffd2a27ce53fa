"""Write the generated pages: `python docs/generate.py` (add `--check` to compare only).

docs/commands.md comes from the very objects that `--help` prints, whatschat_ops/schemas from the types that `--json`
prints, the tables in docs/embedded-aws.md from the corrections that are applied and from the markers of the tests, the one in
docs/protocol.md from the routes of the `default` function, those in docs/environment.md and docs/migrate.md from the variables,
docs/explain.md from what `explain` knows, the guesses in docs/conventions.md from those that are tested, the codes in docs/doctor.md
and docs/doctor/ from the checks, the end of docs/README.md from the files; a test holds them fresh.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # an installed package comes without `tests`

import doctor_pages

from tests import conformance
from tests.json_output import schemas
from tests.unit.cli.test_guesses import GUESSES, UNKNOWN
from tests.unit.cli.test_guesses import guess as answer_to
from whatschat_ops.cli.commands import COMMANDS
from whatschat_ops.cli.completing.words import GRAMMAR
from whatschat_ops.cli.guesses import tree_of
from whatschat_ops.cli.help_pages import COMMON_PANEL, Page
from whatschat_ops.cli.program import every_node, every_page
from whatschat_ops.config import Names, Settings
from whatschat_ops.environment.variables import (
    BackendSecrets,
    Variable,
    backend_variables,
    frontend_variables,
)
from whatschat_ops.errors import ExitCode
from whatschat_ops.explain import entries
from whatschat_ops.handlers import routing
from whatschat_ops.handlers.routing import Action, Route, WithoutUser
from whatschat_ops.local.control.corrections import CORRECTIONS
from whatschat_ops.migration.phases import Shares
from whatschat_ops.migration.state import Place
from whatschat_ops.migration.variables import table as phase_table
from whatschat_ops.stack.outputs import StackOutputs

PAGE = Path(__file__).parent / "commands.md"
EMBEDDED_AWS = PAGE.with_name("embedded-aws.md")
PROTOCOL = PAGE.with_name("protocol.md")
ENVIRONMENT = PAGE.with_name("environment.md")
EXPLANATIONS = PAGE.with_name("explain.md")
DOCTOR = PAGE.with_name("doctor.md")
INDEX = PAGE.with_name("README.md")
MIGRATE = PAGE.with_name("migrate.md")
CONVENTIONS = PAGE.with_name("conventions.md")
HEADER = """\
# Commands

Generated from `--help` by `python docs/generate.py`.

Every command takes the common options, before or after its name. Results go to stdout, everything else to
stderr; with `--json` an error is `{"error": {"code", "message", "hint", "argv"}}` on stdout: `argv` is the command of the
hint as a list, ready to run, or null. In JSON, money and other exact decimals are strings in US dollars without an exponent,
times are ISO 8601 in UTC, and what was not measured is null, never 0.

Files and pipes are UTF-8, with or without a byte-order mark; anything else is refused. A users file has one id on each line, and
`#` at the start of a line or after a blank begins a comment. A file that is written is whole or not there. SIGTERM and SIGHUP end a
command as Ctrl-C does; what has no end of its own (`--follow`, `--watch`) then ends with exit code 0. A reader that goes away (`| head -1`) does not change the exit code, or makes it 0 where output had no end.

On a terminal, a result that is longer than the screen goes through your pager (`PAGER`, or `less`) if the command only shows something. `PAGER=cat`
switches that off. Lists take `--sort FIELD` and `--limit N`.
"""
EXIT_CODES = {
    ExitCode.DONE: "done, or nothing to do",
    ExitCode.FAILED: "failed",
    ExitCode.USAGE: "wrong usage or bad configuration",
    ExitCode.CHANGES: "the plan has changes (`--detailed-exitcode`), or a check failed",
    ExitCode.PARTLY_DONE: "partly done",
    ExitCode.INTERRUPTED: "interrupted",
}


def commands_page() -> str:
    """The whole page as Markdown."""
    (_, program), *pages = every_page()
    parts = [HEADER, *_sections(program, common=True), "\n## Exit codes\n"]
    parts += [
        "| code | meaning |",
        "|---|---|",
        *(f"| {code.value} | {text} |" for code, text in EXIT_CODES.items()),
    ]
    for path, page in pages:
        parts += ["", f"## `{path}`\n", *_command(page)]
    return "\n".join(parts) + "\n"


def _command(page: Page) -> list[str]:
    paragraphs = [page.summary, f"`{page.usage}`", *page.details]
    examples = ["\n```shell", *page.examples, "```"]
    return ["\n\n".join(paragraphs), *_sections(page, common=False), *examples]


def grammar() -> str:
    """What completion knows of the program: a line for each command (`whatschat_ops/cli/completing/words.py`)."""
    lines = [f"{json.dumps(path)}: {json.dumps(node, ensure_ascii=False)}" for path, node in every_node()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _sections(page: Page, *, common: bool) -> list[str]:
    """Its sections as tables; what every command has is shown once."""
    lines: list[str] = []
    for section in page.sections:
        if (section.title == COMMON_PANEL) == common:
            lines += [f"\n| {section.title.lower()} | |", "|---|---|"]
            lines += [
                f"| `{_cell(name)}` | {_cell(text).replace('<', '&lt;')} |" for name, text in section.rows
            ]
    return lines


def _cell(text: str) -> str:
    return text.strip().replace("|", "\\|")


def embedded_aws_page() -> str:
    """The page with its three tables written again, each between its two markers."""
    rows = ["| ministack alone | The embedded AWS | Source |", "|---|---|---|"]
    rows += [f"| {row.what} | {row.why} | {row.source} |" for row in CORRECTIONS]
    page = _with_table(EMBEDDED_AWS.read_text(encoding="utf-8"), "corrections", rows)
    tests = conformance.all_marked_tests()
    page = _with_table(page, "differences", conformance.difference_table(tests))
    return _with_table(page, "conformance", conformance.area_table(tests))


def _with_table(page: str, name: str, rows: list[str]) -> str:
    before, marker, rest = page.partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    return f"{before}{marker}{chr(10).join(rows)}\n{end}{after}"


def protocol_page() -> str:
    """The page with its table of routes written again between its two markers."""
    head = "| type | said by | what the function does | users, beside the common fields | without a user |"
    return _with_table(
        PROTOCOL.read_text(encoding="utf-8"),
        "routes",
        [head, "|---|---|---|---|---|", *map(_route_row, routing.ROUTES)],
    )


def environment_page() -> str:
    """The page with its table of variables written again between its two markers."""
    settings = Settings()
    api = "abc123.execute-api.us-east-1.amazonaws.com/production"
    outputs = StackOutputs(
        api_id="abc123",
        stage=settings.websocket.stage,
        websocket_url=f"wss://{api}",
        callback_url=f"https://{api}",
        connections_table=Names(settings).connections_table,
        ledger_table=Names(settings).ledger_table,
        function_names=(),
        region=settings.aws.region,
        account_id="123456789012",
    )
    files = {
        "backend `.env`": backend_variables(settings, outputs, BackendSecrets(), endpoint_url=None),
        "frontend `.env.local`": frontend_variables(settings, outputs),
    }
    rows = [_variable_row(file, variable) for file, variables in files.items() for variable in variables]
    head = ["| file | variable | value in an AWS account (example) | read by |", "|---|---|---|---|"]
    return _with_table(ENVIRONMENT.read_text(encoding="utf-8"), "variables", [*head, *rows])


def _variable_row(file: str, variable: Variable) -> str:
    value = "not set; the endpoint on the embedded AWS" if variable.absent else "placeholder"
    shown = f"`{variable.value}`" if variable.value is not None else value
    return f"| {file} | `{variable.name}` | {shown} | {variable.read_by} |"


def conventions_page() -> str:
    """The page with its table of guessed commands written again between its two markers: the answers that the program gives."""
    tree = tree_of(COMMANDS)
    rows = [f"| `{line}` | `{' '.join(answer_to(tree, line) or ())}` |" for line in GUESSES]
    rows += [f"| `{line}` | no suggestion |" for line in UNKNOWN if answer_to(tree, line) is None]
    head = ["| typed | Did you mean |", "|---|---|"]
    return _with_table(CONVENTIONS.read_text(encoding="utf-8"), "guesses", [*head, *rows])


def migrate_page() -> str:
    """The page with its table of variables in each phase written again between its two markers."""
    whole, some = Shares(100, 100), Shares(10, 0)
    places = {
        "phase 0": Place(),
        "1 and 2, below 100 %": Place(some),
        "1 and 2, 100 %": Place(whole),
        "3, below 100 %": Place(whole, some),
        "3 and 4, 100 %": Place(whole, whole),
        "4, drained": Place(whole, whole, drained=True),
    }
    head = [f"| variable | {' | '.join(places)} | takes effect with |", f"|---{'|---' * len(places)}|---|"]
    rows = [f"| `{name}` | {' | '.join(values)} |" for name, *values in phase_table(list(places.values()))]
    return _with_table(MIGRATE.read_text(encoding="utf-8"), "variables", [*head, *rows])


def explanations_page() -> str:
    """What `explain` knows, as one page that can be searched."""
    lines = [
        "# Errors and close codes, explained\n",
        'Generated from what `whatschat-ops explain "<text, code or close code>"` knows, by `python docs/generate.py`.',
    ]
    for key, entry in entries().items():
        lines += [f"\n## {entry.title}\n", f"`explain {key}`. {entry.meaning}\n"]
        if said := (*entry.codes, *entry.texts):
            lines.append(f"Seen as: {', '.join(f'`` {text} ``' for text in said)}\n")
        lines += [f"{number}. {cause}" for number, cause in enumerate(entry.causes, 1)]
        fix = f"`whatschat-ops {entry.run}`" if entry.run else ""
        lines.append(f"\nNext: {': '.join(filter(None, (entry.advice, fix)))}")
        lines.append(f"Sources: {', '.join(map(_link, entry.sources))}")
    return "\n".join(lines) + "\n"


def index_page() -> str:
    """The index with the pages that it does not list by hand, each with its heading, between two markers."""
    text = INDEX.read_text(encoding="utf-8")
    listed = set(re.findall(r"\]\(([\w/.-]+\.md)", _with_table(text, "others", [])))
    others = sorted(page for page in INDEX.parent.glob("*.md") if page.name not in {*listed, INDEX.name})
    titles = [page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ") for page in others]
    rows = [f"- [{title}]({page.name})" for page, title in zip(others, titles, strict=True)]
    return _with_table(text, "others", rows)


def doctor_page() -> str:
    """The page with its table of codes written again between its two markers."""
    return _with_table(DOCTOR.read_text(encoding="utf-8"), "codes", doctor_pages.code_table())


def _link(source: str) -> str:
    return f"<{source}>" if source.startswith("https:") else f"[{source}]({source.removeprefix('docs/')})"


def _route_row(route: Route) -> str:
    cells = [
        _codes(route.types) if route.types != ("*",) else "any other",
        ", ".join(route.vocabularies),
        _route_action(route),
        ", else ".join(f"`{field}`" for field in route.own_addresses),
        _route_without_user(route) if route.action is Action.DELIVER else "",
    ]
    return f"| {' | '.join(cells)} |"


def _route_action(route: Route) -> str:
    if route.action is not Action.DELIVER:
        return {Action.PONG: "answers with `pong`", Action.REFUSE: "refuses: `reserved_type`"}[route.action]
    parts = ["delivers it", f" as `{route.delivered_as}`" if route.delivered_as else ""]
    parts += [" with `initiatorId`" if route.names_initiator else ""]
    parts += ["; the sender gets a receipt" if route.has_receipt else ""]
    parts += ["; with `chime.signalling`, serves it: see below" if route.about_meetings else ""]
    return "".join(parts)


def _route_without_user(route: Route) -> str:
    if route.without_user is WithoutUser.UNDELIVERABLE:
        return f"`undeliverable`: it is meant for {route.meant_for}"
    if route.undeliverable_with:
        return f"`{route.without_user}`; with `{route.undeliverable_with}`: `undeliverable`, it is meant for {route.meant_for}"
    return "sent back as `echo`" if route.without_user is WithoutUser.ECHO else f"`{route.without_user}`"


def _codes(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def main() -> int:
    """Write or check the pages."""
    pages = {
        PAGE: commands_page(),
        EMBEDDED_AWS: embedded_aws_page(),
        PROTOCOL: protocol_page(),
        ENVIRONMENT: environment_page(),
        EXPLANATIONS: explanations_page(),
        DOCTOR: doctor_page(),
        INDEX: index_page(),
        MIGRATE: migrate_page(),
        CONVENTIONS: conventions_page(),
        GRAMMAR: grammar(),
        **doctor_pages.pages(),
        **schemas.files(),
    }
    there = {*DOCTOR.with_suffix("").glob("*.md"), *schemas.DIRECTORY.iterdir()}
    left_over = there - pages.keys()
    if "--check" in sys.argv:
        fresh = all(
            page.is_file() and page.read_text(encoding="utf-8") == text for page, text in pages.items()
        )
        return 0 if fresh and not left_over else 1
    for page in left_over:
        page.unlink()
    for page, text in pages.items():
        page.parent.mkdir(exist_ok=True)
        page.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
