"""The projects of the cells: one application, written for each package manager, layout and compiler.

Each needs three versions of one package (`ms`: its own, that of `debug`, and in a workspace that of a linked package), a package with
optional peers (`ws`), and one that is an ECMAScript module with `exports` conditions (`nanoid`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MANAGERS: Final = ("npm", "pnpm", "yarn", "yarn-berry")
LAYOUTS: Final = ("flat", "workspace")
BUILDERS: Final = ("esbuild", "tsc", "webpack")

TOOLS: Final = {
    "npm": "npm@11.19.1",
    "pnpm": "pnpm@12.21.0",
    "yarn": "yarn@1.22.22",
    "yarn-berry": "@yarnpkg/cli-dist@4.18.1",
}
COMPILERS: Final = {
    "esbuild": {"esbuild": "0.25.11"},
    "tsc": {"typescript": "5.9.3"},
    "webpack": {"webpack": "5.102.1", "webpack-cli": "6.0.1"},
}
BUILD: Final = {
    "esbuild": "esbuild src/*.ts --bundle --platform=node --packages=external --outdir=dist",
    "tsc": "tsc -p .",
    "webpack": "webpack",
}
FUNCTIONS: Final = ("connect", "disconnect", "default")

HANDLER: Final = """\
import debug from "debug";
import ms from "ms";
import { WebSocketServer } from "ws";
%(import)s
export const handler = async () => {
  const { nanoid } = await import("nanoid");
  return { debug: typeof debug("x"), ms: ms("2h"), server: typeof WebSocketServer, id: nanoid().length, shared: %(shared)s };
};
"""
WEBPACK: Final = """\
const external = ({ request, dependencyType }, done) =>
  /^[.\\/]/.test(request) ? done() : done(null, `${request === "nanoid" ? "import" : "commonjs"} ${request}`);
module.exports = {
  mode: "production", target: "node20", externals: [external],
  entry: { connect: "./src/connect.mjs", disconnect: "./src/disconnect.mjs", default: "./src/default.mjs" },
  output: { filename: "[name].js", library: { type: "commonjs2" } },
};
"""
TSCONFIG: Final = {
    "compilerOptions": {
        "module": "node16",
        "target": "es2022",
        "rootDir": "src",
        "outDir": "dist",
        "types": [],
        "strict": False,
        "skipLibCheck": True,
        "esModuleInterop": True,
    },
    "include": ["src"],
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination."""

    manager: str
    layout: str
    builder: str

    @property
    def name(self) -> str:
        """Of the cell's folder."""
        return f"{self.manager}-{self.layout}-{self.builder}"


CELLS: Final = tuple(
    Cell(manager, layout, builder) for manager in MANAGERS for layout in LAYOUTS for builder in BUILDERS
)


def write_project(cell: Cell, root: Path) -> Path:
    """Write the project below `root`; gives the folder of the Lambda functions."""
    workspace = cell.layout == "workspace"
    folder = root / "apps" / "api" if workspace else root
    dependencies = {"debug": "4.4.0", "ms": "1.0.0", "ws": "8.18.3", "nanoid": "5.1.6"}
    if workspace:
        dependencies["@cells/shared"] = "*" if cell.manager in ("npm", "yarn") else "workspace:*"
        _write_workspace(cell, root)
    manifest: dict[str, Any] = {
        "name": "api",
        "version": "1.0.0",
        "private": True,
        "scripts": {"build": BUILD[cell.builder]},
        "dependencies": dependencies,
        "devDependencies": COMPILERS[cell.builder],
    }
    if not workspace:
        manifest |= _named_manager(cell)
    _write(folder / "package.json", manifest)
    suffix = "mjs" if cell.builder == "webpack" else "ts"
    source = HANDLER % {
        "import": 'import * as shared from "@cells/shared";' if workspace else "",
        "shared": "shared.version" if workspace else "null",
    }
    for function in FUNCTIONS:
        _write(folder / "src" / f"{function}.{suffix}", source)
    if cell.builder == "webpack":
        _write(folder / "webpack.config.js", WEBPACK)
    if cell.builder == "tsc":
        _write(folder / "tsconfig.json", TSCONFIG)
        modules = "".join(f'declare module "{name}";\n' for name in ("debug", "ms", "ws", "@cells/shared"))
        _write(folder / "src" / "modules.d.ts", modules)
    _write_settings(cell, root)
    return folder


def _named_manager(cell: Cell) -> dict[str, str]:
    return {"packageManager": TOOLS[cell.manager].replace("@yarnpkg/cli-dist", "yarn")}


def _write_workspace(cell: Cell, root: Path) -> None:
    manifest: dict[str, Any] = {"name": "root", "private": True}
    if (
        cell.manager == "pnpm"
    ):  # this file names it; with packageManager pnpm looks for itself in the registry
        _write(root / "pnpm-workspace.yaml", "packages: ['apps/*', 'packages/*']\n")
    else:
        manifest |= {"workspaces": ["apps/*", "packages/*"], **_named_manager(cell)}
    _write(root / "package.json", manifest)
    shared = root / "packages" / "shared"
    _write(
        shared / "package.json",
        {"name": "@cells/shared", "version": "1.0.0", "main": "index.js", "dependencies": {"ms": "2.0.0"}},
    )
    _write(shared / "index.js", 'exports.version = require("ms/package.json").version;\n')


def _write_settings(cell: Cell, root: Path) -> None:
    if cell.manager == "yarn-berry":
        _write(root / ".yarnrc.yml", "nodeLinker: node-modules\nenableScripts: true\n")
        _write(root / "yarn.lock", "")  # else yarn takes a folder above for the project
    if cell.manager == "pnpm" and cell.builder == "esbuild":
        path = root / "pnpm-workspace.yaml"
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        _write(path, f"{before}allowBuilds:\n  esbuild: true\n")


def _write(path: Path, content: str | dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content, indent=2) + "\n"
    path.write_text(text, encoding="utf-8")
