"""What goes into a zip from node_modules as npm, pnpm and yarn lay it out, and that it loads there in the same version.

The trees are made by hand as the package managers make them (`python -m tests.packages` runs the real ones). Whether a zip is right is
judged by its unpacked content: the version that a module finds by Node's rule, the nearest node_modules.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from whatschat_ops.config.lambda_settings import LambdaSettings
from whatschat_ops.errors import ConfigError, OpsError
from whatschat_ops.local.executor.code import unpack
from whatschat_ops.packaging import build_packages

HANDLERS = ("connect", "disconnect", "default")


class Project:
    """A project of a test: files, packages, links."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.said: list[str] = []

    def write(self, path: str, content: str | bytes = "", mode: int = 0o644) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        target.chmod(mode)

    def package(self, path: str, version: str = "1.0.0", code: str = "", **manifest: Any) -> None:
        name = path.rpartition("node_modules/")[2]
        self.write(f"{path}/package.json", json.dumps({"name": name, "version": version, **manifest}))
        self.write(f"{path}/index.js", code)

    def link(self, path: str, target: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).symlink_to(target)

    def application(self, folder: str, code: str, **manifest: Any) -> None:
        self.write(f"{folder}/package.json", json.dumps({"name": "app", **manifest}))
        for name in HANDLERS:
            self.write(f"{folder}/dist/{name}.js", code)

    def unpacked(self, folder: str, **source: Any) -> Path:
        """The zip of the folder, unpacked as Lambda does it."""
        settings = LambdaSettings.of({"source": {"path": str(self.root / folder), "steps": [], **source}})
        built = build_packages(settings, say=self.said.append)["connect"]
        return unpack(built.zip_bytes, self.root / "unpacked" / str(len(list(self.root.glob("unpacked/*")))))

    def names(self, folder: str, **source: Any) -> set[str]:
        """What is in the zip of the folder."""
        root = self.unpacked(folder, **source)
        return {
            path.relative_to(root).as_posix()
            for path in root.rglob("*")
            if not path.is_dir() or path.is_symlink()
        }


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def version(task: Path, *way: str) -> str:
    """The version of the last package on a way, each found from the one before as Node.js does."""
    at = (task / "dist").resolve()
    for name in way:
        places = (
            parent / "node_modules" / name for parent in (at, *at.parents) if parent.is_relative_to(task)
        )
        at = next(place for place in places if place.is_dir()).resolve()
    return str(json.loads((at / "package.json").read_text())["version"])


def test_npm_tree_keeps_each_version_where_it_is_found(project: Project) -> None:
    project.application("app", 'require("a"); require("b")', dependencies={"a": "1", "b": "1", "c": "1"})
    project.package("app/node_modules/a", code='require("c")', dependencies={"c": "1"})
    project.package("app/node_modules/b", code='require("c")', dependencies={"c": "2"})
    project.package("app/node_modules/c", "1.1.0")
    project.package("app/node_modules/b/node_modules/c", "2.2.0")
    project.package("app/node_modules/unused", "9.0.0")
    task = project.unpacked("app")
    assert (version(task, "a", "c"), version(task, "b", "c"), version(task, "c")) == (
        "1.1.0",
        "2.2.0",
        "1.1.0",
    )
    assert not (task / "node_modules" / "unused").exists()


def test_pnpm_tree_holds_what_the_package_needs_and_nothing_else(project: Project) -> None:
    store = "app/node_modules/.pnpm"
    project.application("app", 'require("debug")', dependencies={"debug": "4"}, devDependencies={"huge": "1"})
    project.package(
        f"{store}/debug@4.4.0/node_modules/debug", "4.4.0", 'require("ms")', dependencies={"ms": "2"}
    )
    project.package(f"{store}/ms@2.1.3/node_modules/ms", "2.1.3")
    project.package(f"{store}/huge@1.0.0/node_modules/huge")
    project.link(f"{store}/debug@4.4.0/node_modules/ms", "../../ms@2.1.3/node_modules/ms")
    project.link("app/node_modules/debug", ".pnpm/debug@4.4.0/node_modules/debug")
    project.link("app/node_modules/huge", ".pnpm/huge@1.0.0/node_modules/huge")
    task = project.unpacked("app")
    assert version(task, "debug", "ms") == "2.1.3"
    assert not list(task.rglob("huge"))


@pytest.mark.parametrize("linked", [True, False], ids=["pnpm", "npm"])
def test_workspace_brings_its_own_packages_and_those_above_the_folder(linked: bool, project: Project) -> None:
    project.write("package.json", json.dumps({"workspaces": ["apps/*", "packages/*"]}))
    project.application(
        "apps/api",
        'require("@w/shared"); require("ms")',
        dependencies={"@w/shared": "workspace:*", "ms": "1"},
    )
    project.package("packages/shared", code='require("ms")', dependencies={"ms": "2"}, name="@w/shared")
    project.write("packages/shared/node_modules/.bin/tool")
    project.package("packages/unused")
    if linked:
        project.link("apps/api/node_modules/@w/shared", "../../../../packages/shared")
        project.package("node_modules/.pnpm/ms@1.0.0/node_modules/ms", "1.0.0")
        project.package("node_modules/.pnpm/ms@2.0.0/node_modules/ms", "2.0.0")
        project.link("apps/api/node_modules/ms", "../../../node_modules/.pnpm/ms@1.0.0/node_modules/ms")
        project.link(
            "packages/shared/node_modules/ms", "../../../node_modules/.pnpm/ms@2.0.0/node_modules/ms"
        )
    else:
        project.link("node_modules/@w/shared", "../../packages/shared")
        project.package("node_modules/ms", "2.0.0")
        project.package("apps/api/node_modules/ms", "1.0.0")
    task = project.unpacked("apps/api")
    assert (version(task, "ms"), version(task, "@w/shared", "ms")) == ("1.0.0", "2.0.0")
    assert not list(task.rglob("unused")) + list(task.rglob("tool"))


def test_package_linked_by_file_and_module_beside_the_folder_go_in(project: Project) -> None:
    project.application(
        "app", 'require("lib"); require("../../common/util")', dependencies={"lib": "file:../lib"}
    )
    project.package("lib", code='require("./inner")', files=["inner.js"], main="index.js")
    project.write("lib/inner.js")
    project.write("lib/notes.txt")
    project.link("app/node_modules/lib", "../../lib")
    project.write("common/util.js")
    with pytest.raises(OpsError, match=r"\.\./\.\./common/util \(loaded by dist/connect\.js\)"):
        project.unpacked("app")  # the handler lies in /var/task/dist, and nothing lies above /var/task
    project.application("app", 'require("lib")', dependencies={"lib": "file:../lib"})
    assert project.names("app") >= {".workspace/lib/inner.js", ".workspace/lib/index.js", "node_modules/lib"}
    assert ".workspace/lib/notes.txt" not in project.names("app")


def test_dot_files_of_the_build_output_and_of_packages_are_files(project: Project) -> None:
    project.application("app", 'require("a")', dependencies={"a": "1"})
    project.write("app/dist/.well-known/data.json")
    project.write("app/dist/node_modules/inlined/index.js")
    project.package("app/node_modules/a")
    project.write("app/node_modules/a/.data/x")
    project.write("app/node_modules/a/dist/node_modules/inner/x.js")
    assert project.names("app") >= {
        "dist/.well-known/data.json",
        "dist/node_modules/inlined/index.js",
        "node_modules/a/.data/x",
        "node_modules/a/dist/node_modules/inner/x.js",
    }


def test_links_to_folders_are_followed_and_those_that_lead_back_are_not(project: Project) -> None:
    project.application("app", 'require("a")', dependencies={"a": "1"})
    project.package("app/node_modules/a")
    project.write("app/templates/welcome.html")
    project.link("app/dist/templates", "../templates")
    project.link("app/dist/self", "..")
    project.link("app/node_modules/a/loop", "../a")
    project.link("app/node_modules/a/dead", "nothing")
    names = project.names("app")
    assert "dist/templates/welcome.html" in names
    assert not any("self" in name or "loop" in name or "dead" in name for name in names)


def test_generated_package_is_a_dependency_although_nothing_declares_it(project: Project) -> None:
    project.application("app", 'require("@prisma/client")', dependencies={"@prisma/client": "6"})
    project.package(
        "app/node_modules/@prisma/client", code='module.exports = require(".prisma/client/default")'
    )
    project.write("app/node_modules/.prisma/client/default.js")
    project.write("app/node_modules/.prisma/client/libquery_engine.so.node")
    names = project.names("app")
    assert {
        "node_modules/.prisma/client/default.js",
        "node_modules/.prisma/client/libquery_engine.so.node",
    } <= names


def test_file_of_the_folder_that_the_build_left_where_it_was_goes_in(project: Project) -> None:
    project.application("app", 'require("../generated/schema"); require("../data.json")')
    project.write("app/generated/schema.js")
    project.write("app/data.json", "{}")
    project.write("app/other.json", "{}")
    names = project.names("app")
    assert {"generated/schema.js", "data.json"} <= names
    assert "other.json" not in names


def test_optional_peer_comes_only_if_production_has_it(project: Project) -> None:
    code = 'try { require("bufferutil") } catch {} try { require("typescript") } catch {}'
    peers = {"bufferutil": {"optional": True}, "typescript": {"optional": True}}
    project.application(
        "app",
        'require("ws")',
        dependencies={"ws": "8", "bufferutil": "4"},
        devDependencies={"typescript": "5"},
    )
    project.package("app/node_modules/ws", code=code, peerDependenciesMeta=peers)
    project.package("app/node_modules/bufferutil")
    project.package("app/node_modules/typescript")
    names = project.names("app")
    assert "node_modules/bufferutil/index.js" in names
    assert "node_modules/typescript/index.js" not in names


@pytest.mark.parametrize(
    ("code", "package", "missing"),
    [
        ('require("absent")', "", "absent (loaded by dist/connect.js)"),
        ('require("a")', 'require("absent/deep")', "absent/deep (loaded by node_modules/a/index.js)"),
        ('require("./absent")', "", "./absent (loaded by dist/connect.js)"),
        ('import("a/absent.js")', "", "a/absent.js (loaded by dist/connect.js)"),
    ],
)
def test_module_that_is_missing_names_the_file_that_asks_for_it(
    code: str, package: str, missing: str, project: Project
) -> None:
    project.application("app", code, dependencies={"a": "1"})
    project.package("app/node_modules/a", code=package)
    with pytest.raises(OpsError) as caught:
        project.unpacked("app")
    assert missing in caught.value.message


@pytest.mark.parametrize(
    "code",
    [
        'try { require("absent") } catch {}',
        'require("@aws-sdk/client-dynamodb")',
        'require("@smithy/core")',
        'require("node:fs"); require("fs/promises")',
    ],
)
def test_module_that_may_be_missing_is_no_error(code: str, project: Project) -> None:
    project.application("app", code)
    assert "dist/connect.js" in project.names("app")


def test_package_that_the_settings_call_optional_may_be_missing(project: Project) -> None:
    project.application("app", 'require("absent/x")')
    assert "dist/connect.js" in project.names("app", optional=["absent"])


def test_what_a_package_asks_for_in_a_function_is_a_warning(project: Project) -> None:
    project.application("app", 'require("a")', dependencies={"a": "1"})
    project.package("app/node_modules/a", code='exports.connect = () => require("mysql")')
    project.names("app")
    assert any(
        line.startswith("Warning:") and "mysql (loaded by node_modules/a/index.js)" in line
        for line in project.said
    )


def test_programs_stay_programs_and_secrets_stay_out_unless_included(project: Project) -> None:
    project.application("app", 'require("a")', dependencies={"a": "1"})
    project.package("app/node_modules/a")
    project.write("app/node_modules/a/bin/engine", "#!", mode=0o755)
    project.write("app/node_modules/a/.npmrc", "//registry/:_authToken=x")
    project.write("app/dist/.env", "SECRET=1")
    project.write("app/dist/.env.example", "SECRET=")
    project.write("app/dist/tls", "-----BEGIN PRIVATE KEY-----\nx")
    project.write("app/dist/pem.js", 'exports.head = "-----BEGIN PRIVATE KEY-----"')
    task = project.unpacked("app")
    assert (task / "node_modules/a/bin/engine").stat().st_mode & stat.S_IXOTH
    left_out = ["dist/.env", "dist/tls", "node_modules/a/.npmrc"]
    assert not any((task / name).exists() for name in left_out)
    assert (task / "dist/.env.example").exists()
    assert (task / "dist/pem.js").exists()
    assert any(", ".join(left_out) in line for line in project.said)
    assert {"dist/.env", "dist/tls"} <= project.names("app", include=[".env", "dist/t*"])


def test_kept_build_is_used_until_a_file_that_went_in_changes(project: Project) -> None:
    project.application("app", 'require("a")', dependencies={"a": "1"})
    project.package("app/node_modules/a", code="exports.v = 1")
    project.unpacked("app")
    built = len(project.said)
    project.unpacked("app")
    assert len(project.said) == built  # nothing was added again
    project.write("app/node_modules/a/index.js", "exports.v = 'changed by hand'")
    assert "changed by hand" in (project.unpacked("app") / "node_modules/a/index.js").read_text()


def test_zip_beside_the_handlers_is_never_an_old_one(project: Project) -> None:
    project.application("app", "")
    project.write("app/dist/words.zip", "old")
    assert (project.unpacked("app") / "dist/words.zip").read_text() == "old"
    project.write("app/dist/words.zip", "new")
    assert (project.unpacked("app") / "dist/words.zip").read_text() == "new"


def test_rebuild_builds_again_although_nothing_changed(project: Project) -> None:
    project.application("app", 'require("a")', dependencies={"a": "1"})
    project.package("app/node_modules/a")
    settings = LambdaSettings.of({"source": {"path": str(project.root / "app"), "steps": []}})
    for rebuild in (False, False, True):
        build_packages(settings, say=project.said.append, rebuild=rebuild)
    assert [line.split(",")[0] for line in project.said] == ["Adding the production dependencies"] * 2


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({".yarnrc.yml": "yarnPath: x\n", "yarn.lock": "__metadata:\n"}, r"Plug'n'Play \(nodeLinker: pnp\)"),
        ({"bun.lock": ""}, "The package manager of .* is bun"),
        ({"yarn.lock": "", "package-lock.json": "{}"}, "lock files of npm and yarn"),
    ],
)
def test_package_manager_that_cannot_be_used_is_refused_in_words(
    files: dict[str, str], message: str, project: Project
) -> None:
    project.application("app", "")
    for name, content in files.items():
        project.write(f"app/{name}", content)
    with pytest.raises(ConfigError, match=message):
        project.unpacked("app")


@pytest.mark.parametrize(
    ("files", "manager"),
    [
        ({"app/pnpm-lock.yaml": ""}, "pnpm"),
        ({"app/yarn.lock": ""}, "yarn"),
        ({"app/package-lock.json": "{}"}, "npm"),
        ({"pnpm-workspace.yaml": "packages: ['app']"}, "pnpm"),
        (
            {
                "package.json": '{"workspaces": ["app"], "packageManager": "pnpm@9.0.0"}',
                "package-lock.json": "{}",
            },
            "pnpm",
        ),
        ({"package.json": '{"workspaces": {"packages": ["./app"]}}', "yarn.lock": ""}, "yarn"),
        ({"yarn.lock": ""}, "npm"),  # of a folder above that is no workspace of this one
    ],
)
def test_only_the_package_manager_of_the_project_is_run(
    files: dict[str, str], manager: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    project.application("app", "")
    for name, content in files.items():
        project.write(name, content)
    with pytest.raises(OpsError, match=f"{manager} is not on the PATH"):
        project.unpacked("app", steps=["install"])
