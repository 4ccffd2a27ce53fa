"""JavaScript -> the modules that it loads, by a parser.

Takes the source of a module, gives what `import`, `export ... from`, `import()`, `require()` and their siblings name: the forms that
people write and those that esbuild, webpack, Rollup and Babel write. A name that is computed at run time is not seen.

tree-sitter is used because it needs no Node.js (a finished zip is read, too), reads any version of the language, and goes on
after a syntax error; acorn would have to be downloaded from npm for each of our users.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, Literal

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser, Query, QueryCursor

Kind = Literal["import", "require", "file"]


@dataclass(frozen=True, slots=True)
class Import:
    """One module that a file loads."""

    specifier: str
    kind: Kind
    """Which of Node's two resolvers finds it; `file`: a path beside this file that is read, not loaded."""
    guarded: bool
    """The code handles that it is not there: `try`, or `.catch()`."""
    lazy: bool
    """Inside of a function, which may never be called."""


LANGUAGE: Final = Language(tree_sitter_javascript.language())

STATEMENTS: Final = """
(import_statement source: (string) @static)
(export_statement source: (string) @static)
(call_expression arguments: (arguments
  [(string) (template_string) (binary_expression) (ternary_expression) (parenthesized_expression)])) @call
(new_expression constructor: (identifier) @url arguments: (arguments (string))) @new
(import_specifier name: (identifier) @created alias: (identifier) @alias)
(pair_pattern key: (property_identifier) @created value: (identifier) @alias)
(variable_declarator name: (identifier) @name value: (_) @value)
(assignment_expression left: (identifier) @name right: (_) @value)
"""

REQUIRE: Final = re.compile(r"_*(?:require\d*|non_webpack_require_*|commonjsRequire|nodeRequire)")
"""`require` and what bundlers call it: `__require` and `__require2` (esbuild), `__non_webpack_require__`, `commonjsRequire` (Rollup)."""

CREATORS: Final = frozenset({"createRequire", "createRequireFromPath"})
ESBUILD_SHIM: Final = b"Dynamic require of"
"""Of esbuild's function that calls `require`, whatever name a minifier gives to it."""

FUNCTIONS: Final = frozenset(
    {
        "function_declaration",
        "function_expression",
        "generator_function",
        "generator_function_declaration",
        "arrow_function",
        "method_definition",
    }
)


@lru_cache(maxsize=20_000)
def imports(source: bytes) -> tuple[Import, ...]:
    """The modules that a source names, each once in each manner, in their order."""
    if not any(word in source for word in (b"require", b"import", b"export", b"Require", b"new URL")):
        return ()
    return tuple(dict.fromkeys(_Source(source).found()))


@cache
def _query() -> Query:
    return Query(LANGUAGE, STATEMENTS)


class _Source:
    """One parsed file."""

    def __init__(self, source: bytes) -> None:
        root = Parser(LANGUAGE).parse(source).root_node
        self.matches = [captures for _, captures in QueryCursor(_query()).matches(root)]
        self.creators = set(CREATORS)
        self.loaders: set[str] = set()
        """Names bound to a function that loads modules."""
        for captures in self.matches:
            if "alias" in captures and _text(captures["created"][0]) in CREATORS:
                self.creators.add(_text(captures["alias"][0]))
        for captures in self.matches:
            if "name" in captures and self._is_loader(captures["value"][0]):
                self.loaders.add(_text(captures["name"][0]))

    def found(self) -> Iterator[Import]:
        for captures in self.matches:
            if "static" in captures:
                specifier = _constant(captures["static"][0])
                if specifier is not None:
                    yield Import(specifier, "import", guarded=False, lazy=False)
            elif "call" in captures:
                yield from self._call(captures["call"][0])
            elif "new" in captures and _text(captures["url"][0]) == "URL":
                yield from _url(captures["new"][0])

    def _call(self, call: Node) -> Iterator[Import]:
        function = call.child_by_field_name("function")
        kind = self._kind(function) if function is not None else None
        if kind is None or function is None:
            return
        first, *others = _arguments(call)
        elsewhere = bool(others) and _text(function).endswith(".resolve")  # with its own paths
        for specifier in _constants(first):
            yield Import(
                specifier, kind, self._guarded(call) or elsewhere, _function_around(call) is not None
            )

    def _kind(self, function: Node | None) -> Kind | None:
        """Which resolver a called expression uses, if it loads a module."""
        while function is not None and function.type in ("parenthesized_expression", "sequence_expression"):
            function = function.named_children[-1] if function.named_children else None  # (0, require)("x")
        if function is None:
            return None
        if function.type == "import":
            return "import"
        if function.type == "identifier":
            return "require" if self._loads(function) else None
        if function.type == "call_expression":
            return "require" if self._is_loader(function) else None
        if function.type not in ("member_expression", "subscript_expression"):
            return None
        return self._kind_of_member(function)

    def _kind_of_member(self, function: Node) -> Kind | None:
        target, name = (function.child_by_field_name(field) for field in ("object", "property"))
        index = function.child_by_field_name("index")  # module["require"]
        member = _text(name) if name is not None else _constant(index) if index is not None else None
        if target is None or member is None:
            return None
        owner = _text(target)
        if (owner, member) in (("import.meta", "resolve"), ("import", "defer"), ("import", "source")):
            return "import"
        if member == "require" and owner in ("module", "import.meta", "process.mainModule", "require.main"):
            return "require"
        if member == "resolve" and self._kind(target) == "require":
            return "require"
        return None

    def _loads(self, name: Node) -> bool:
        text = _text(name)
        return bool(text in self.loaders or REQUIRE.fullmatch(text)) and not self._shadowed(name, text)

    def _is_loader(self, value: Node) -> bool:
        """`createRequire(...)`, `require`, `eval("require")`, and esbuild's shim."""
        if value.type == "identifier":
            return _text(value) == "require"
        if value.type != "call_expression":
            return False
        function = value.child_by_field_name("function")
        called = _text(function) if function is not None else ""
        if called.rpartition(".")[2].rstrip(")") in self.creators:
            return True
        if called == "eval":
            return [_constant(argument) for argument in _arguments(value)] == ["require"]
        return value.end_byte - value.start_byte < 1_000 and ESBUILD_SHIM in (value.text or b"")

    def _shadowed(self, place: Node, name: str) -> bool:
        """Is the name a parameter, or something else's local name, of a function around this place?"""
        function = _function_around(place)
        while function is not None:
            if name in _parameters(function) or (
                name not in self.loaders and name in _local_names(function.child_by_field_name("body"))
            ):
                return True
            function = _function_around(function)
        return False

    def _guarded(self, call: Node) -> bool:
        node, parent = call, call.parent
        while parent is not None:
            if parent.type == "try_statement" and parent.child_by_field_name("handler") is not None:
                if node == parent.child_by_field_name("body"):
                    return True
            elif parent.type == "member_expression" and _property(parent) == "catch":
                return True
            elif parent.type in FUNCTIONS:
                return self._guarded_by_callers(parent, call)
            node, parent = parent, parent.parent
        return False

    def _guarded_by_callers(self, function: Node, call: Node) -> bool:
        """webpack's external: `key(module) { module.exports = require("x") }`, loaded by `f(key)` in a `try`."""
        pair, assigned = function.parent, call.parent
        if function.type == "method_definition":
            key = function.child_by_field_name("name")
        else:
            key = pair.child_by_field_name("key") if pair is not None and pair.type == "pair" else None
        if key is None or assigned is None or assigned.type != "assignment_expression":
            return False
        callers = [found for found in self._calls_with(_text(key)) if found != call]
        return bool(callers) and all(self._guarded(caller) for caller in callers)

    def _calls_with(self, argument: str) -> Iterator[Node]:
        query = Query(
            LANGUAGE,
            "(call_expression function: (identifier) arguments: (arguments . [(string) (number)] @a .)) @c",
        )
        root = self.matches[0].get("call", next(iter(self.matches[0].values())))[0]
        while root.parent is not None:
            root = root.parent
        for _, captures in QueryCursor(query).matches(root):
            if _text(captures["a"][0]) == argument:
                yield captures["c"][0]


def _url(new: Node) -> Iterator[Import]:
    first, *others = _arguments(new)
    specifier = _constant(first)
    if (
        specifier is not None
        and specifier.startswith(".")
        and [_text(node) for node in others] == ["import.meta.url"]
    ):
        yield Import(specifier, "file", guarded=True, lazy=False)


def _arguments(call: Node) -> list[Node]:
    arguments = call.child_by_field_name("arguments")
    return (
        [node for node in arguments.named_children if node.type != "comment"] if arguments is not None else []
    )


def _constants(node: Node) -> Iterator[str]:
    """The texts that an argument may be: both of `a ? "x" : "y"`."""
    if node.type == "parenthesized_expression":
        yield from (text for child in node.named_children for text in _constants(child))
    elif node.type == "ternary_expression":
        for field in ("consequence", "alternative"):
            chosen = node.child_by_field_name(field)
            yield from _constants(chosen) if chosen is not None else ()
    elif (text := _constant(node)) is not None:
        yield text


def _constant(node: Node) -> str | None:
    """The text of a string, of a template without values, and of the sum of such."""
    if node.type == "binary_expression":
        parts = [_constant(child) for child in node.named_children if child.type != "comment"]
        operator = node.child_by_field_name("operator")
        plus = operator is not None and _text(operator) == "+"
        return "".join(part for part in parts if part) if plus and None not in parts else None
    if node.type not in ("string", "template_string"):
        return None
    if any(child.type == "template_substitution" for child in node.named_children):
        return None
    text = _text(node)[1:-1]
    if "\\" not in text:
        return text
    try:
        return str(
            ast.literal_eval('"""' + text.replace('"', '\\"') + '"""')
        )  # the same escapes, but for \u{...}
    except (SyntaxError, ValueError):
        return None


def _function_around(node: Node) -> Node | None:
    parent = node.parent
    while parent is not None and parent.type not in FUNCTIONS:
        parent = parent.parent
    return parent


def _parameters(function: Node) -> set[str]:
    one = function.child_by_field_name("parameter")
    if one is not None:
        return {_text(one)}
    listed = function.child_by_field_name("parameters")
    return (
        {_text(node) for node in listed.named_children if node.type == "identifier"}
        if listed is not None
        else set()
    )


def _local_names(body: Node | None) -> Iterator[str]:
    for statement in body.named_children if body is not None else ():
        if statement.type in ("function_declaration", "class_declaration"):
            name = statement.child_by_field_name("name")
            if name is not None:
                yield _text(name)
        elif statement.type in ("variable_declaration", "lexical_declaration"):
            for declarator in statement.named_children:
                name = declarator.child_by_field_name("name")
                if name is not None:
                    yield _text(name)


def _property(member: Node) -> str:
    name = member.child_by_field_name("property")
    return _text(name) if name is not None else ""


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
