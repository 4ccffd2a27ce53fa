"""What a module loads, in the forms that people and bundlers write.

The forms are those of the output of esbuild 0.25, webpack 5.102, Rollup and Babel; which of them are guarded is what Node.js does when
the module is not there.
"""

from __future__ import annotations

import pytest

from whatschat_ops.packaging.node.imports import Import, imports

ESBUILD_SHIM = (
    'var t=(e=>typeof require<"u"?require:typeof Proxy<"u"?new Proxy(e,{get:(r,n)=>(typeof require<"u"?require:r)[n]}):e)'
    "(function(e){if(typeof require<\"u\")return require.apply(this,arguments);throw Error('Dynamic require of \"'+e+'\" is not supported')});"
)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ('import "x"', "import"),
        ("import x, * as y from 'x' with { type: 'json' }", "import"),
        ('export * from "x"', "import"),
        ('export { a as b } from "x"', "import"),
        ("import(`x`)", "import"),
        ('import(/* webpackChunkName: "y" */ "x")', "import"),
        ('import("\\x78", { with: { type: "json" } })', "import"),
        ('import.meta.resolve("x")', "import"),
        ('require("x")', "require"),
        ('require?.("x")', "require"),
        ('(0, require)("x")', "require"),
        ('__require("x")', "require"),
        ('__require2("x")', "require"),
        ('__non_webpack_require__("x")', "require"),
        ('commonjsRequire("x")', "require"),
        ('module.require("x")', "require"),
        ('require.resolve("x")', "require"),
        ('require("" + "x")', "require"),
        ('require(("x"))', "require"),
        ('module["require"]("x")', "require"),
        ('require["resolve"]("x")', "require"),
        ('eval("require")("x")', "require"),
        ('createRequire(import.meta.url)("x")', "require"),
        ('var r = Module.createRequire(f); r.resolve("x")', "require"),
        ("Promise.resolve().then(() => __importStar(require('x')))", "require"),
        (ESBUILD_SHIM + 't("x")', "require"),
    ],
)
def test_each_way_to_load_a_module_is_seen(source: str, kind: str) -> None:
    found = imports(source.encode())
    assert [(one.specifier, one.kind, one.guarded) for one in found] == [("x", kind, False)]


@pytest.mark.parametrize(
    "source", ['require(a ? "x" : "y")', 'import(a ? `x` : ("y"))', 'require(a ? b : c ? "x" : "y")']
)
def test_each_module_that_a_condition_chooses_from_is_seen(source: str) -> None:
    assert [one.specifier for one in imports(source.encode())] == ["x", "y"]


def test_loader_under_another_name_is_followed() -> None:
    source = b'import{createRequire as e}from"node:module";var r=e(import.meta.url);r("x");function f(r){r("text")}'
    assert [one.specifier for one in imports(source)] == ["node:module", "x"]


@pytest.mark.parametrize(
    "source",
    [
        '// require("x")',
        "\"require('x')\"",
        "require(`x${y}`)",
        'function m(require, module) { require("./x") }',
        'notRequire("x")',
        "const require = 1",
    ],
)
def test_what_loads_no_module_is_not_seen(source: str) -> None:
    assert imports(source.encode()) == ()


@pytest.mark.parametrize(
    ("source", "guarded"),
    [
        ('try { require("x") } catch {}', True),
        ('try { require("x") } finally {}', False),
        ('try {} catch { require("x") }', False),
        ('import("x").then((m) => m).catch(() => null)', True),
        ('try { f(function () { require("x") }) } catch {}', False),
        ('var m = { x: (e) => { e.exports = require("x") }, 5: (e) => { try { n("x") } catch {} } }', False),
        ('var m = { "x": (e) => { e.exports = require("x") }, 5: (e) => { try { n("x") } catch {} } }', True),
        ('var m = { 7: (e) => { e.exports = require("x") }, 5: (e) => { try { n(7) } catch {} } }', True),
        (
            'var m = { 7: (e) => { e.exports = require("x") }, 5: (e) => { try { n(7) } catch {} n(7) } }',
            False,
        ),
    ],
)
def test_module_that_the_code_can_do_without_is_guarded(source: str, guarded: bool) -> None:
    assert [one.guarded for one in imports(source.encode()) if one.specifier == "x"] == [guarded]


def test_file_beside_a_module_is_read_not_loaded() -> None:
    assert imports(b'new URL("./x.wasm", import.meta.url)') == (Import("./x.wasm", "file", True, False),)


def test_source_with_a_syntax_error_is_read_around_it() -> None:
    assert [one.specifier for one in imports(b'const = ; require("x");\nrequire("y")')] == ["x", "y"]
