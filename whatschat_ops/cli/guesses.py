"""The command that is meant by one that does not exist: by meaning first, then by name in another group, then by spelling.

People type the names of other tools. A command that deletes is suggested only for a word that means deleting, or that is
nearly its own name. An entry has no effect once a command has its name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from whatschat_ops.cli.commands import Entry, Group

Tree = Mapping[str, "Tree"]
"""The commands: name -> those of the group, empty for a command."""
Path = tuple[str, ...]

DELETING: Final = frozenset({"destroy", "delete", "reset", "prune", "disconnect", "detach", "sweep"})
"""The commands that delete, by the last word of their names."""
MEANS_DELETING: Final = frozenset(
    [
        "down",
        "teardown",
        "undeploy",
        "uninstall",
        "destroy",
        "delete",
        "remove",
        "rm",
        "del",
        "drop",
        "purge",
        "wipe",
        "clean",
        "cleanup",
        "close",
        "kick",
        "end",
        "hangup",
        "dismiss",
        "revoke",
        "unlink",
        "prune",
    ]
)
"""Words that may be answered with a command that deletes."""

_CUTOFF: Final = 0.7
_DELETING_CUTOFF: Final = 0.85
"""How alike two names are at least (`difflib`): `deploy` and `destroy` are 0.77, `destory` and `destroy` 0.86."""

SYNONYMS: Final[Mapping[str, frozenset[str]]] = {
    command: frozenset(words.split())
    for command, words in {
        "list": "ls all",
        "get": "show describe view info status",
        "show": "get describe view info status ls list print cat",
        "create": "add new make",
        "delete": "rm remove del drop purge close kick end dismiss hangup",
    }.items()
}
"""Command -> words that mean it in every group that has it."""


def _meanings(**words: str) -> dict[str, Path]:
    """Word -> command, from command -> words; `_` stands for the space between the words of a command."""
    return {word: tuple(command.split("_")) for command, given in words.items() for word in given.split()}


_RESUME: Final = dict.fromkeys(("resume", "retry"), ("ws", "broadcast", "--resume", "latest"))

IN_GROUP: Final[Mapping[Path, Mapping[str, Path]]] = {
    (): {
        **_meanings(provision="deploy up apply create install setup launch bootstrap update sync push"),
        **_meanings(plan="diff preview dry-run changes drift"),
        **_meanings(destroy="down teardown undeploy uninstall remove rm delete"),
        **_meanings(status="show info list ls describe get outputs state"),
        **_meanings(doctor="check test diagnose health verify debug"),
        **_meanings(whoami="account profile identity caller id login auth"),
        **_meanings(config_show="settings configure"),
        **_meanings(logs_tail="log tail follow", logs_trace="trace", audit_list="history who"),
        **_meanings(metrics_show="graph top cloudwatch", lambda_list="functions function versions", table_describe="dynamodb database"),
        **_meanings(token_mint="jwt login", iam_policies="policy permissions role"),
        **_meanings(ws_connect="wscat", ws_listen="listen", ws_chat="chat talk", ws_send="message post", ws_endpoint="url", ws_load="bench benchmark stress"),
        **_meanings(ws_connections_list="clients sockets who"),
        **_meanings(chime_meeting="meetings", chime_attendee="attendees invite"),
        **_meanings(cost_estimate="price pricing prices bill billing", env_render="dotenv environment"),
        **_meanings(export_cloudformation="cfn template"),
        **{"version": ("--version",), "help": ("--help",), },
    },
    ("ws",): {
        **_meanings(ws_connections_list="list ls who users clients", ws_connections_get="get show describe info"),
        **_meanings(ws_connections_delete="delete rm remove", ws_connections_stats="count status metrics"),
        **_meanings(ws_disconnect="close kick drop", ws_prune="purge clean cleanup"),
        **_meanings(ws_send="post message emit", ws_broadcast="publish notify announce", ws_endpoint="url"),
        **_meanings(ws_connect="open ping", ws_listen="watch tail receive", ws_chat="talk say", ws_load="test bench benchmark stress"),
        **_meanings(ws_broadcasts_list="history runs"),
        **_RESUME,
    },
    ("ws", "connections"): {
        **_meanings(ws_connections_stats="count metrics", ws_prune="clean cleanup prune", ws_connect="open create connect"),
    },
    ("ws", "broadcasts"): {
        **_meanings(ws_broadcast="send create new start"),
        **_RESUME,
    },
    ("chime",): {
        **_meanings(chime_meeting_list="list ls meetings calls", chime_meeting_get="get show describe info status"),
        **_meanings(chime_meeting_create="create new start call", chime_meeting_delete="delete rm remove end hangup close"),
        **_meanings(chime_meeting_sweep="sweep clean cleanup prune purge"),
        **_meanings(chime_attendee="attendees users", chime_attendee_create="invite join add"),
    },
    ("chime", "meeting"): {
        **_meanings(chime_meeting_create="start", chime_attendee_create="invite join"),
        **_meanings(chime_meeting_sweep="clean cleanup prune purge"),
    },
    ("chime", "attendee"): _meanings(chime_attendee_create="invite join"),
    ("lambda",): {
        **_meanings(lambda_list="status versions aliases show get", lambda_package="build zip pack bundle"),
        **_meanings(lambda_deploy="update push up apply create publish canary", lambda_promote="release"),
        **_meanings(lambda_rollback="revert undo", lambda_invoke="run call exec test"),
    },
    ("table",): {
        **_meanings(table_describe="show get status info list ls", ws_connections_list="scan rows items query"),
        **_meanings(table_create="update apply"),
    },
    ("iam",): {
        **_meanings(iam_policies="list ls show get print policy", iam_attach="create add put grant allow"),
        **_meanings(iam_detach="delete rm remove revoke unlink", iam_check="verify test simulate validate"),
    },
    ("token",): {
        **_meanings(token_mint="create make new generate gen issue sign get"),
        **_meanings(token_inspect="decode verify validate show check read"),
    },
    ("config",): {
        **_meanings(config_validate="check verify lint test", config_reference="set edit options keys help docs"),
    },
    ("local",): {
        **_meanings(local_start="up run serve launch restart", local_stop="down kill shutdown", local_status="ps info list ls"),
        **_meanings(local_reset="clean wipe delete purge rm remove", local_logs="log tail", local_env="vars export"),
    },
    ("cost",): _meanings(cost_estimate="calculate calc month show get", cost_rates="list ls prices cards"),
    ("env",): _meanings(env_render="show print write generate get", env_check="validate verify lint diff compare doctor"),
    ("env", "render"): _meanings(env_render_backend="server api", env_render_frontend="web client ui"),
    ("export",): _meanings(export_cloudformation="cfn template yaml stack"),
}  # fmt: skip
"""Group -> word -> command."""


def tree_of(commands: Mapping[str, Entry]) -> Tree:
    """The commands of the table by name."""
    return {
        name: tree_of(entry.commands) if isinstance(entry, Group) else {} for name, entry in commands.items()
    }


def meant(tree: Tree, group: Path, word: str, rest: Sequence[str] = ()) -> Path | None:
    """The command that `word`, which `group` has not, stands for; None when that cannot be said.

    When it stands for a group, the words behind it (`rest`) name the command in it, if they can.
    """
    found = _by_meaning(tree, group, word) or _by_name(tree, word) or _by_spelling(tree, group, word)
    if found is None:
        return None
    here = _at(tree, found)
    for name in rest:
        if name not in here:
            break
        found, here = (*found, name), here[name]
    return (*found, "--help") if here else found


def _by_meaning(tree: Tree, group: Path, word: str) -> Path | None:
    in_group = IN_GROUP.get(group, {}).get(word)
    return in_group or next(
        ((*group, name) for name in _at(tree, group) if word in SYNONYMS.get(name, ())), None
    )


def _by_name(tree: Tree, word: str) -> Path | None:
    """The one command of that name, in whatever group. Its name alone does not say that one means to delete."""
    found = [path for path in _paths(tree) if path[-1] == word]
    return found[0] if len(found) == 1 and word not in DELETING - MEANS_DELETING else None


def _by_spelling(tree: Tree, group: Path, word: str) -> Path | None:
    known = {**{name: (*group, name) for name in _at(tree, group)}, **IN_GROUP.get(group, {})}
    for name in difflib.get_close_matches(word, known, n=len(known) or 1, cutoff=_CUTOFF):
        alike = difflib.SequenceMatcher(None, word, name).ratio()
        if known[name][-1] not in DELETING or alike >= _DELETING_CUTOFF:
            return known[name]
    return None


def _at(tree: Tree, path: Path) -> Tree:
    for name in path:
        tree = tree.get(name, {})
    return tree


def _paths(tree: Tree, parent: Path = ()) -> Iterator[Path]:
    for name, below in tree.items():
        yield (*parent, name)
        yield from _paths(below, (*parent, name))
