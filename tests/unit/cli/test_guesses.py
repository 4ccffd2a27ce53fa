"""A guessed command is answered with the command that is meant, whatever it is spelt like."""

from __future__ import annotations

import difflib
import json
import sys
from importlib.machinery import ModuleSpec
from typing import Any

import pytest

from whatschat_ops.cli import commands
from whatschat_ops.cli.commands import COMMANDS, Command
from whatschat_ops.cli.guesses import DELETING, IN_GROUP, MEANS_DELETING, SYNONYMS, Tree, meant, tree_of
from whatschat_ops.cli.main import main
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import ExitCode

GUESSES = {
    # by meaning: what other tools call it
    "deploy": "provision",
    "up": "provision",
    "apply": "provision",
    "install": "provision",
    "launch": "provision",
    "update": "provision",
    "diff": "plan",
    "preview": "plan",
    "down": "destroy",
    "remove": "destroy",
    "rm": "destroy",
    "delete": "destroy",
    "teardown": "destroy",
    "version": "--version",
    "help": "--help",
    "identity": "whoami",
    "ls": "status",
    "describe": "status",
    "check": "doctor",
    "pricing": "cost estimate",
    "jwt": "token mint",
    "dotenv": "env render --help",
    "cfn": "export cloudformation",
    "wscat": "ws connect",
    "meetings list": "chime meeting list",
    "meetings": "chime meeting --help",
    "ws list": "ws connections list",
    "ws ls": "ws connections list",
    "ws rm": "ws connections delete",
    "ws kick": "ws disconnect",
    "ws publish": "ws broadcast",
    "ws resume": "ws broadcast --resume latest",
    "ws benchmark": "ws load",
    "ws connections show": "ws connections get",
    "ws connections kick": "ws connections delete",
    "ws broadcasts ls": "ws broadcasts list",
    "ws broadcasts retry": "ws broadcast --resume latest",
    "chime list": "chime meeting list",
    "chime create": "chime meeting create",
    "chime end": "chime meeting delete",
    "chime invite": "chime attendee create",
    "chime meeting end": "chime meeting delete",
    "chime sweep": "chime meeting sweep",
    "chime meeting cleanup": "chime meeting sweep",
    "chime attendee add": "chime attendee create",
    "lambda ls": "lambda list",
    "lambda build": "lambda package",
    "lambda revert": "lambda rollback",
    "lambda update": "lambda deploy",
    "table show": "table describe",
    "table rm": "table delete",
    "table scan": "ws connections list",
    "iam list": "iam policies",
    "iam remove": "iam detach",
    "token create": "token mint",
    "token generate": "token mint",
    "token decode": "token inspect",
    "config get": "config show",
    "config lint": "config validate",
    "local up": "local start",
    "local down": "local stop",
    "local wipe": "local reset",
    "cost calculate": "cost estimate",
    "env ls": "env list",
    "env render web": "env render frontend",
    "export template": "export cloudformation",
    # by name: it exists, in another group
    "promote": "lambda promote",
    "log": "logs tail",
    "mint": "token mint",
    "broadcast": "ws broadcast",
    "meeting list": "chime meeting list",
    "connections": "ws connections --help",
    "ws mint": "token mint",
    # by spelling
    "provison": "provision",
    "deplyo": "provision",
    "destory": "destroy",
    "statsu": "status",
    "ws brodcast": "ws broadcast",
    "ws conections list": "ws connections list",
    "token mnt": "token mint",
}

UNKNOWN = ("nonsense", "ws xyzzy", "reset", "detach", "prne", "lambda dele")


@pytest.fixture(scope="module")
def tree() -> Tree:
    """The commands of the program."""
    return tree_of(COMMANDS)


def guess(tree: Tree, line: str) -> tuple[str, ...] | None:
    """What is answered to a command line whose first unknown word is the guess."""
    words, group, here = line.split(), [], tree
    while words[0] in here:
        here = here[words[0]]
        group.append(words.pop(0))
    return meant(tree, tuple(group), words[0], words[1:])


@pytest.mark.parametrize(("line", "answer"), GUESSES.items())
def test_a_guess_is_answered_with_what_is_meant(tree: Tree, line: str, answer: str) -> None:
    assert guess(tree, line) == tuple(answer.split())


@pytest.mark.parametrize("line", UNKNOWN)
def test_nothing_is_suggested_for_a_word_that_says_nothing(tree: Tree, line: str) -> None:
    assert guess(tree, line) is None


def test_a_command_that_deletes_is_suggested_only_for_a_word_that_means_deleting(tree: Tree) -> None:
    words = {word for table in IN_GROUP.values() for word in table} | {
        word for table in SYNONYMS.values() for word in table
    }
    groups = [(), *((name,) for name in tree), *((a, b) for a in tree for b in tree[a])]
    for group in groups:
        for word in {*words, *(name for names in GUESSES for name in names.split()), *DELETING}:
            found = meant(tree, group, word)
            if found is not None and found[-1] in DELETING and word != found[-1]:
                near = difflib.get_close_matches(word, MEANS_DELETING, n=1, cutoff=0.85)
                assert near, f"{' '.join((*group, word))} -> {' '.join(found)}"


def test_every_answer_is_a_command_that_exists(tree: Tree) -> None:
    for group, table in IN_GROUP.items():
        for word, answer in table.items():
            here = tree
            for name in answer:
                if name.startswith("--"):
                    break
                assert name in here, f"{' '.join((*group, word))} -> {' '.join(answer)}"
                here = here[name]


def test_an_entry_whose_command_exists_by_now_is_to_be_deleted(tree: Tree) -> None:
    for group, table in IN_GROUP.items():
        here = tree
        for name in group:
            here = here[name]
        assert not table.keys() & here.keys(), group


class _Deploy:
    """A command module with a command `deploy`; stands in `sys.modules` for a module."""

    __spec__ = ModuleSpec("whatschat_ops.cli.deploying", None)

    def deploy(self, run: Run) -> None:
        """Deploy."""
        run.out.text("deployed")


def test_an_entry_has_no_effect_once_a_command_has_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy"]) == ExitCode.USAGE
    assert "Did you mean 'provision'?" in capsys.readouterr().err
    monkeypatch.setattr(commands, "COMMANDS", {**COMMANDS, "deploy": Command("Deploy", "deploying:deploy")})
    monkeypatch.setitem(sys.modules, "whatschat_ops.cli.deploying", _Deploy())
    assert main(["deploy"]) == ExitCode.DONE
    assert capsys.readouterr().out == "deployed\n"


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("deploy --yes", "No such command 'deploy'. Did you mean 'provision'?", "provision"),
        ("-e dev up", "No such command 'up'. Did you mean 'provision'?", "-e dev provision"),
        ("version", "No such command 'version'. Did you mean '--version'?", "--version"),
        ("help", "No such command 'help'. Did you mean '--help'?", "--help"),
        ("chime list", "No such command 'list'. Did you mean 'chime meeting list'?", "chime meeting list"),
        ("meetings", "No such command 'meetings'. Did you mean 'chime meeting'?", "chime meeting --help"),
        ("nonsense", "No such command 'nonsense'.", "--help"),
        ("ws xyzzy", "No such command 'xyzzy'.", "ws --help"),
    ],
)
def test_the_answer_says_what_to_type(
    line: str, said: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split()) == ExitCode.USAGE
    assert capsys.readouterr().err == f"Error: {said}\n  Try: whatschat-ops {hint}\n"


def test_the_answer_with_json_is_ready_to_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "create", "--json"]) == ExitCode.USAGE
    error: Any = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["argv"]) == ("usage", ["whatschat-ops", "token", "mint"])
