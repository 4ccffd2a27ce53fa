"""The explanations, as explanations.yaml has them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

import msgspec
import yaml

from whatschat_ops.errors import Hint
from whatschat_ops.sockets import close_codes

_FILE: Final = "explanations.yaml"
_CLOSE: Final = "close-"
"""The key of a close code is this and the code; its meaning is that of `sockets/close_codes.py`."""
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One explanation.

    `codes` are what may be given alone (`1006`, `GoneException`); `texts` are parts of messages, in which `*` stands for any words.
    `causes` begin with the likeliest. `run` is a command of this program without the program's name, `advice` words in front of it.
    """

    title: str
    causes: tuple[str, ...]
    sources: tuple[str, ...]
    meaning: str = ""
    codes: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    run: str = ""
    advice: str = ""

    @property
    def hint(self) -> Hint:
        """What to do next."""
        return Hint(tuple(self.run.split()), self.advice)


def entries() -> dict[str, Entry]:
    """Key -> explanation, in the order of the file."""
    text = (resources.files("whatschat_ops.explain") / _FILE).read_text(encoding="utf-8")
    return {key: _entry(key, fields) for key, fields in yaml.load(text, Loader=_Loader).items()}


def _entry(key: str, fields: Mapping[str, Any]) -> Entry:
    code = key.removeprefix(_CLOSE)
    if key.startswith(_CLOSE) and code.isdecimal():
        fields = {"meaning": _sentence(close_codes.meaning(int(code))), "codes": [code], **fields}
    return msgspec.convert(fields, Entry)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
