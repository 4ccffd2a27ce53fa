"""The shells' side of completion: a script for each, and the words as each wants them.

A script asks `whatschat-ops __complete <shell> ...` and says nothing when that fails. bash gets its words whole, whatever it
takes for the end of a word: connection ids end in `=`.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from whatschat_ops.cli.completing import values
from whatschat_ops.cli.completing.words import Candidate, read_grammar, wanted

PATH: Final = ":path"
"""What is answered where a path is wanted."""

BASH: Final = """\
_whatschat_ops() {
    local IFS=$'\\n'
    COMPREPLY=($(whatschat-ops __complete bash "${COMP_LINE:0:COMP_POINT}" "${COMP_WORDS[COMP_CWORD]}" 2>/dev/null))
    if [ "${COMPREPLY[0]}" = ":path" ]; then
        COMPREPLY=()
        compopt -o default 2>/dev/null
    fi
}
complete -F _whatschat_ops whatschat-ops
"""
ZSH: Final = """\
#compdef whatschat-ops
_whatschat_ops() {
    local -a found
    found=("${(@f)$(whatschat-ops __complete zsh "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ "${found[1]}" == ":path" ]]; then
        _files
    elif [[ -n "${found[1]}" ]]; then
        _describe -V 'whatschat-ops' found
    fi
}
if [ "${funcstack[1]}" = "_whatschat_ops" ]; then
    _whatschat_ops "$@"
else
    compdef _whatschat_ops whatschat-ops
fi
"""
FISH: Final = """\
function __whatschat_ops
    set -l given (commandline -opc) (commandline -ct)
    set -l found (whatschat-ops __complete fish $given[2..-1] 2>/dev/null)
    if test "$found[1]" = ":path"
        __fish_complete_path (commandline -ct)
    else
        printf '%s\\n' $found
    end
end
complete -c whatschat-ops -f -k -a '(__whatschat_ops)'
"""
POWERSHELL: Final = """\
Register-ArgumentCompleter -Native -CommandName whatschat-ops -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $given = @($commandAst.CommandElements | Select-Object -Skip 1 | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { "$_" })
    $found = @(whatschat-ops __complete powershell @given "=$wordToComplete" 2>$null)
    if ($found.Count -eq 0 -or $found[0] -eq ':path') { return }
    $found | ForEach-Object {
        $word, $meaning = $_ -split "`t", 2
        if (-not $meaning) { $meaning = $word }
        [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $meaning)
    }
}
"""
SCRIPTS: Final = {"bash": BASH, "zsh": ZSH, "fish": FISH, "powershell": POWERSHELL}


def answer(arguments: Sequence[str]) -> None:
    """Print what a shell may put in the place of its last word. Nothing for what fails: a Tab is no place for an error."""
    try:
        shell, *given = arguments
        sys.stdout.write("".join(f"{line}\n" for line in _LINES[shell](given)))
    except Exception:  # noqa: BLE001 - whatever it is, the user is in the middle of a line
        return


def candidates(words: Sequence[str]) -> list[Candidate] | None:
    """The words that begin as the last one does; None where a path is wanted."""
    found = wanted(read_grammar(), words)
    if values.is_path(found.kind):
        return None
    begun = words[-1].removeprefix(found.before)
    known = found.candidates or [Candidate(value) for value in values.values_of(found.kind, found.place)]
    return [each._replace(word=found.before + each.word) for each in _fitting(known, begun)]


def _fitting(known: Sequence[Candidate], begun: str) -> list[Candidate]:
    return [each for each in known if each.word.startswith(begun)]


def _bash(given: Sequence[str]) -> list[str]:
    """`given`: the line up to the cursor, and the part of its last word that bash replaces."""
    line, replaced = given
    words = _split(line)[1:]
    found = candidates(words)
    if found is None:
        return [PATH]
    kept = len(words[-1]) - len(replaced) if words[-1].endswith(replaced) else 0
    return [f"{shlex.quote(each.word[kept:])}" for each in found]


def _split(line: str) -> list[str]:
    """The words of a line; the last one, which the cursor is in, may be empty or have a quote that is open."""
    for closing in ("", '"', "'"):
        try:
            words = shlex.split(line + closing)
        except ValueError:
            continue
        return [*words, ""] if not closing and (not line or line[-1].isspace()) else words
    return ["", ""]


def _described(
    separator: str, *, escaped: bool = False, last_is_marked: bool = False
) -> Callable[[Sequence[str]], list[str]]:
    def lines(given: Sequence[str]) -> list[str]:
        # PowerShell drops an empty argument: its last one begins with a mark.
        words = [*given[:-1], given[-1][1:]] if last_is_marked else list(given)
        found = candidates(words or [""])
        if found is None:
            return [PATH]
        spelled = [(each.word.replace(":", "\\:") if escaped else each.word, each.meaning) for each in found]
        return [f"{word}{separator}{meaning}" if meaning else word for word, meaning in spelled]

    return lines


_LINES: Final[Mapping[str, Callable[[Sequence[str]], list[str]]]] = {
    "bash": _bash,
    "zsh": _described(":", escaped=True),
    "fish": _described("\t"),
    "powershell": _described("\t", last_is_marked=True),
}
