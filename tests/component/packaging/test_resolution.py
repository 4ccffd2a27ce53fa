"""Our resolution beside that of Node.js itself, on one tree."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from whatschat_ops.packaging.content import ZipContent
from whatschat_ops.packaging.node.imports import Import, Kind
from whatschat_ops.packaging.node.resolution import BUILTINS, NotFoundError, Resolver
from whatschat_ops.packaging.node.tree import Tree

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")

MANIFESTS: dict[str, dict[str, Any]] = {
    "": {
        "name": "self",
        "exports": {".": "./a.js", "./deep/*": "./lib/*.js"},
        "imports": {"#in": "./a.js", "#out": "plain"},
    },
    "node_modules/plain": {"main": "lib"},
    "node_modules/conditional": {
        "exports": {
            ".": {"import": "./m.mjs", "require": "./c.cjs"},
            "./package.json": "./package.json",
            "./browser": {"browser": "./b.js", "default": "./c.cjs"},
            "./p/*": "./lib/*.js",
            "./p/private/*": None,
            "./list": ["not-relative", "./c.cjs"],
            "./absent": "./absent.js",
        }
    },
    "node_modules/sugar": {"exports": "./only.js"},
    "node_modules/modern": {"exports": {"module-sync": "./m.mjs", "default": "./c.cjs"}},
    "node_modules/@s/scoped": {"main": "./dist/main"},
    "node_modules/plain/node_modules/inner": {},
    "node_modules/.generated": {},
}
FILES = (
    "a.js",
    "lib/b.js",
    "lib/b.json",
    "data.json",
    "lib/index.js",
    "node_modules/plain/lib/index.js",
    "node_modules/plain/other.js",
    "node_modules/conditional/m.mjs",
    "node_modules/conditional/c.cjs",
    "node_modules/conditional/lib/x.js",
    "node_modules/conditional/lib/private/x.js",
    "node_modules/sugar/only.js",
    "node_modules/modern/m.mjs",
    "node_modules/modern/c.cjs",
    "node_modules/@s/scoped/dist/main.js",
    "node_modules/plain/node_modules/inner/index.js",
    "node_modules/.generated/client/index.js",
    "node_modules/single.js",
)
SPECIFIERS = (
    *(
        "./lib/b",
        "./lib/b.js",
        "./lib",
        "./lib/",
        ".",
        "./data",
        "./nothing",
        "../outside",
        "self",
        "self/deep/b",
        "self/lib/b",
    ),
    *(
        "#in",
        "#out",
        "#none",
        "plain",
        "plain/other",
        "plain/other.js",
        "plain/nothing",
        "inner",
        "single",
        "sugar",
        "sugar/only.js",
    ),
    *(
        "conditional",
        "conditional/package.json",
        "conditional/browser",
        "conditional/p/x",
        "conditional/p/private/x",
    ),
    *(
        "conditional/list",
        "conditional/absent",
        "conditional/c.cjs",
        "modern",
        "@s/scoped",
        "@s/scoped/dist/main.js",
        "@s/none",
    ),
    *("fs", "node:fs/promises", "punycode/", ".generated/client"),
)
PROGRAM = """
const { createRequire } = require("node:module");
const fs = require("node:fs"), { fileURLToPath } = require("node:url");
const [root, ...specifiers] = process.argv.slice(2);
const required = createRequire(root + "/a.js"), out = {};
const attempt = (f) => { try { return f(); } catch { return "not found"; } };
(async () => {
  for (const one of specifiers) {
    const imported = attempt(() => {
      const url = importMetaResolve(one);
      if (!url.startsWith("file:")) return url.replace("node:", "");
      const path = fileURLToPath(url);
      return fs.statSync(path).isFile() ? fs.realpathSync(path) : "not found";
    });
    out[one] = [attempt(() => required.resolve(one).replace("node:", "")), imported];
  }
  console.log(JSON.stringify(out));
})();
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The tree, on disk."""
    root = tmp_path.resolve() / "tree"
    for name in FILES:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}" if name.endswith(".json") else "")
    for folder, manifest in MANIFESTS.items():
        (root / folder / "package.json").write_text(json.dumps(manifest))
    (root / "node_modules" / "linked").symlink_to("@s/scoped")
    return root


def ours(resolver: Resolver, specifier: str, asker: str, kind: Kind) -> str:
    try:
        found = resolver.find(Import(specifier, kind, guarded=False, lazy=False), asker)
    except NotFoundError:
        return "not found"
    return found.path if found is not None else specifier.removeprefix("node:")


@needs_node
def test_every_specifier_means_the_file_that_node_takes(root: Path) -> None:
    specifiers = [*SPECIFIERS, "linked"]
    (root / "resolve.mjs").write_text("export default (one) => import.meta.resolve(one);")
    program = root / "probe.cjs"
    program.write_text(
        PROGRAM.replace(
            "(async () => {",
            "(async () => { const importMetaResolve = (await import('./resolve.mjs')).default;",
        )
    )
    done = subprocess.run(
        ["node", "--no-experimental-require-module", str(program), str(root), *specifiers],
        capture_output=True,
        text=True,
        check=True,
    )
    of_node = json.loads(done.stdout)
    resolver = Resolver(Tree(ZipContent({}), str(root), on_disk=True), "nodejs22.x")
    asker = f"{root}/a.js"
    of_ours = {
        one: [ours(resolver, one, asker, "require"), ours(resolver, one, asker, "import")]
        for one in specifiers
    }
    # Node's import refuses a package whose name begins with a dot, and so no bundler writes one.
    of_node[".generated/client"][1] = of_ours[".generated/client"][1]
    assert of_ours == of_node


@needs_node
def test_modules_of_node_itself_are_those_of_node() -> None:
    command = ["node", "-p", "require('node:module').builtinModules.join(' ')"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in names if not name.startswith("node:")} <= BUILTINS


def test_condition_module_sync_is_of_node_24_alone(root: Path) -> None:
    content = Tree(ZipContent({}), str(root), on_disk=True)
    found = {
        runtime: ours(Resolver(content, runtime), "modern", f"{root}/a.js", "require")
        for runtime in ("nodejs20.x", "nodejs22.x", "nodejs24.x")
    }
    names = {runtime: Path(path).name for runtime, path in found.items()}
    assert names == {"nodejs20.x": "c.cjs", "nodejs22.x": "c.cjs", "nodejs24.x": "m.mjs"}
