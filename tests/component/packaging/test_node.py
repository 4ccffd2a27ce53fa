"""The application's Node folder: its steps as a user sees them, its zip of any layout, and nothing done twice."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from whatschat_ops.config.lambda_settings import HandlerSettings, LambdaSettings
from whatschat_ops.errors import ConfigError, OpsError
from whatschat_ops.packaging import FunctionPackage, build_packages
from whatschat_ops.packaging.content import read_zip
from whatschat_ops.packaging.native import not_loadable
from whatschat_ops.packaging.node.handlers import handler_names

FUNCTIONS = ("connect", "disconnect", "default")
needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")

# Writes dist/ from *.ts, and counts its runs beside the folder.
BUILD = """
const fs = require('node:fs');
fs.mkdirSync('dist', { recursive: true });
fs.appendFileSync(process.env.COUNTER, 'x');
for (const name of fs.readdirSync('.').filter((name) => name.endsWith('.ts')))
  fs.writeFileSync(`dist/${name.replace('.ts', '.js')}`, fs.readFileSync(name));
if (fs.existsSync('type-error')) {
  console.log("connect.ts(14,61): error TS2339: Property 'headers' does not exist.");
  process.exit(2);
}
"""


class Folder:
    """A Node folder of a test."""

    def __init__(self, path: Path, scripts: dict[str, str] | None = None, **manifest: Any) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.write("package.json", json.dumps({"name": "f", "scripts": scripts or {}, **manifest}))

    def write(self, name: str, content: str | bytes = "") -> None:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)

    def zip(self, name: str, files: dict[str, str]) -> None:
        with zipfile.ZipFile(self.path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for inner, content in files.items():
                archive.writestr(inner, content)

    def packages(self, said: list[str] | None = None, **source: Any) -> dict[str, FunctionPackage]:
        settings = LambdaSettings.of({"source": {"path": str(self.path), **source}})
        return build_packages(settings, say=(said if said is not None else []).append)

    @property
    def runs(self) -> int:
        counter = self.path.parent / "runs"
        return len(counter.read_text()) if counter.exists() else 0


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A folder that compiles *.ts into dist and has no `package` script."""
    monkeypatch.setenv("COUNTER", str(tmp_path / "runs"))
    folder = Folder(tmp_path / "app", {"build": "node build.cjs"})
    folder.write("build.cjs", BUILD)
    for function in FUNCTIONS:
        folder.write(f"{function}.ts", f"exports.handler = async () => '{function}';\n")
    return folder


@pytest.fixture
def plain(tmp_path: Path) -> Folder:
    """A folder with its dist in it, and no script at all."""
    folder = Folder(tmp_path / "app")
    for function in FUNCTIONS:
        folder.write(f"dist/{function}.js", "exports.handler = 1;\n")
    return folder


@needs_npm
def test_each_step_is_told_and_dist_is_packaged(typed: Folder) -> None:
    said: list[str] = []
    packages = typed.packages(said)
    assert [line.split(":")[0] for line in said] == [
        "npm run package",
        "npm install",
        "npm install",
        "npm run build",
        "npm run build",
    ]
    assert "skipped" in said[0]
    assert said[-1].startswith("npm run build: done in ")
    assert {name: package.handler for name, package in packages.items()} == {
        name: f"dist/{name}.handler" for name in FUNCTIONS
    }
    assert packages["connect"].file_names == (
        "dist/connect.js",
        "dist/default.js",
        "dist/disconnect.js",
        "package.json",
    )


@needs_npm
def test_unchanged_sources_run_nothing_and_changed_ones_do(typed: Folder) -> None:
    first = typed.packages()
    said: list[str] = []
    assert typed.packages(said)["connect"] == first["connect"]
    assert (typed.runs, said) == (1, [])
    typed.write("default.ts", "exports.handler = async () => 'other';\n")
    changed = typed.packages()
    assert typed.runs == 2
    assert changed["connect"].sha256_base64 != first["connect"].sha256_base64


@needs_npm
def test_failed_build_shows_its_output_and_exit_code_and_how_to_go_on(typed: Folder) -> None:
    typed.write("type-error")
    with pytest.raises(OpsError) as caught:
        typed.packages()
    assert f"`npm run build` failed in {typed.path} (exit code 2):" in caught.value.message
    assert "connect.ts(14,61): error TS2339" in caught.value.message
    assert caught.value.hint is not None
    assert "ignore_build_errors: true" in str(caught.value.hint)


@needs_npm
def test_failed_build_that_wrote_javascript_can_be_ignored_with_a_warning(typed: Folder) -> None:
    typed.write("type-error")
    said: list[str] = []
    packages = typed.packages(said, ignore_build_errors=True)
    assert packages["connect"].handler == "dist/connect.handler"
    assert "TS2339" in next(line for line in said if line.startswith("Warning: `npm run build` failed"))


@needs_npm
def test_failed_build_that_wrote_nothing_is_never_ignored(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "app", {"build": "node -e 'process.exit(3)'"})
    with pytest.raises(OpsError, match=r"exit code 3") as caught:
        folder.packages(ignore_build_errors=True)
    assert str(caught.value.hint) == f"cd {folder.path} && npm run build"


@needs_npm
def test_failed_install_is_shown(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "app", dependencies={"nothing": "file:./nothing.tgz"})
    with pytest.raises(OpsError, match=r"`npm install` failed in .* \(exit code \d+\):") as caught:
        folder.packages()
    assert "npm error" in caught.value.message


@needs_npm
def test_script_that_calls_a_missing_program_says_so(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "app", {"package": "no-such-zip-program -r function.zip ."})
    with pytest.raises(OpsError, match=r"no-such-zip-program.*not found") as caught:
        folder.packages(steps=["package"])
    assert caught.value.hint is not None
    assert "not installed" in str(caught.value.hint)


@needs_npm
def test_package_that_makes_no_zip_is_an_error_although_an_old_zip_lies_there(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "app", {"package": "node -e 0"})
    folder.zip("old.zip", {"connect.js": ""})
    os.utime(folder.path / "old.zip", (1_000_000_000, 1_000_000_000))
    with pytest.raises(OpsError, match=r"made no zip: nothing new matches \*\.zip"):
        folder.packages(steps=["package"])


@needs_npm
def test_zip_that_package_makes_is_used_whatever_its_layout(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "app", {"package": "node -e \"fs.cpSync('node_modules/it','out/it.zip')\""})
    (folder.path / "node_modules").mkdir()
    folder.zip("node_modules/it", {f"inner/{name}/{name}.mjs": "" for name in FUNCTIONS} | {"a.bin": "x"})
    packages = folder.packages(steps=["package"])
    assert packages["default"].handler == "inner/default/default.handler"
    assert "a.bin" in packages["default"].file_names


def test_zip_of_other_times_and_order_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "app")
    files = {f"{name}.js": "x" * 50 for name in FUNCTIONS}
    folder.zip("function.zip", files)
    first = folder.packages(steps=[], zip="function.zip")
    with zipfile.ZipFile(folder.path / "function.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("empty-folder/", (2001, 2, 3, 4, 5, 6)), "")
        for name in reversed(files):
            archive.writestr(zipfile.ZipInfo(name, (2020, 2, 3, 4, 5, 6)), files[name])
    assert folder.packages(steps=[], zip="*.zip") == first


def test_configured_zip_that_changed_is_packaged_anew(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "app")
    folder.zip("function.zip", {f"{name}.js": "1" for name in FUNCTIONS})
    first = folder.packages(steps=[], zip="function.zip")
    folder.zip("function.zip", {f"{name}.js": "2" for name in FUNCTIONS})
    assert folder.packages(steps=[], zip="function.zip")["connect"] != first["connect"]


def test_dist_that_is_not_built_here_counts_as_a_source(plain: Folder) -> None:
    first = plain.packages(steps=[])
    plain.write("dist/connect.js", "exports.handler = 2;\n")
    assert plain.packages(steps=[])["connect"] != first["connect"]


def test_folder_without_code_says_what_is_missing(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "app")
    with pytest.raises(OpsError, match="nothing to package"):
        folder.packages(steps=[])


def test_programs_and_links_keep_their_mode_and_macos_noise_goes(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, mode in {"run": 0o100700, "link": 0o120777, "text": 0o100600, "__MACOSX/x": 0}.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            archive.writestr(entry, "text")
    content = read_zip(buffer.getvalue(), "function.zip")
    assert set(content.files) == {"run", "link", "text"}
    assert stat.S_ISLNK(content.modes["link"])
    assert content.modes == {"run": 0o100755, "link": 0o120777}


@pytest.mark.parametrize("name", ["../out.js", "/etc/passwd"])
def test_zip_that_leads_outside_is_refused(name: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "")
    with pytest.raises(OpsError, match="leads out of the package"):
        read_zip(buffer.getvalue(), "function.zip")


def test_file_that_is_no_zip_is_refused(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "app")
    folder.write("function.zip", "hello")
    with pytest.raises(OpsError, match=r"function\.zip cannot be used: it is not a zip"):
        folder.packages(steps=[], zip="function.zip")


@pytest.mark.parametrize(
    ("manifest", "message"),
    [(None, "has no package.json"), ("{", "cannot be read"), ("[]", "is not a JSON object")],
)
def test_folder_without_a_usable_manifest_is_a_config_error(
    manifest: str | None, message: str, plain: Folder
) -> None:
    (plain.path / "package.json").unlink()
    if manifest is not None:
        plain.write("package.json", manifest)
    with pytest.raises(ConfigError, match=message):
        plain.packages(steps=[])


def test_folder_that_is_not_there_is_a_config_error(tmp_path: Path) -> None:
    settings = LambdaSettings.of({"source": {"path": str(tmp_path / "nowhere")}})
    with pytest.raises(ConfigError, match="nowhere does not exist"):
        build_packages(settings)


def test_npm_that_is_not_installed_says_so(plain: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(OpsError, match="npm is not on the PATH"):
        plain.packages()


def test_configured_handlers_are_used_and_checked() -> None:
    names = ["src/all.js", "dist/connect.js", "default.cjs"]
    configured = HandlerSettings(connect="src/all.onConnect", disconnect="src/all.api.onDisconnect")
    assert handler_names(configured, names, FUNCTIONS) == {
        "connect": "src/all.onConnect",
        "disconnect": "src/all.api.onDisconnect",
        "default": "default.handler",
    }
    with pytest.raises(ConfigError) as caught:
        handler_names(HandlerSettings(connect="dist/conect.handler"), names, FUNCTIONS)
    assert caught.value.message == (
        "lambda.source.handlers.connect: dist/conect.handler: the zip has no dist/conect.js. "
        "In it: default.cjs, dist/connect.js, src/all.js."
    )


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["index.js", "node_modules/x/connect.js"], r"no file connect\.js.* In it: index\.js\."),
        (["a/connect.js", "b/connect.js"], r"several files connect\.js"),
    ],
)
def test_handler_that_cannot_be_found_must_be_named(names: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        handler_names(HandlerSettings(), names, ("connect",))
    assert str(caught.value.hint) == "Set lambda.source.handlers.connect, for example dist/connect.handler."


@needs_npm
@pytest.mark.parametrize(
    ("choice", "present"),
    [("auto", {"used", "beneath"}), ("bundle", {"used", "beneath"}), ("runtime", set())],
)
def test_production_dependencies_come_along_unless_left_to_the_runtime(
    choice: str, present: set[str], tmp_path: Path
) -> None:
    folder = Folder(
        tmp_path / "app",
        dependencies={"used": "file:./lib/used"},
        devDependencies={"tool": "file:./lib/tool"},
    )
    for name, needs in {"used": {"beneath": "file:../beneath"}, "beneath": {}, "tool": {}}.items():
        manifest = {"name": name, "version": "1.0.0", "dependencies": needs}
        folder.write(f"lib/{name}/package.json", json.dumps(manifest))
        folder.write(f"lib/{name}/index.js", "")
        folder.write(f"lib/{name}/index.d.ts", "")
    folder.write(".npmrc", "install-links=true\n")
    for function in FUNCTIONS:
        folder.write(f"dist/{function}.js", 'require("used");\n')
    optional = ["used"] if choice == "runtime" else []
    names = folder.packages(dependencies=choice, optional=optional)["connect"].file_names
    modules = {name.split("/")[1] for name in names if name.startswith("node_modules/")}
    assert modules == present
    assert not any(name.endswith(".d.ts") for name in names)


def test_compiled_code_for_another_machine_is_named_one_by_one_although_one_fits() -> None:
    def elf(machine: int, more: bytes = b"") -> bytes:
        return b"\x7fELF\2\1" + bytes(12) + struct.pack("<H", machine) + bytes(44) + more

    files = {
        "x/linux-arm64.node": elf(183, b"GLIBC_2.17 GLIBC_2.34"),
        "x/linux-x64.node": elf(62),
        "x/linux-arm64-musl.node": elf(183, b"libc.musl-aarch64.so.1"),
        "x/libnew.so.3": elf(183, b"GLIBC_2.38"),
        "x/mac.node": b"\xcf\xfa\xed\xfe",
        "x/windows.node": b"MZ",
        "x/engine": elf(62),  # a program has no suffix
        "x/picture.png": b"MZ",
    }
    assert not_loadable(files, "arm64") == [
        "x/engine (Linux on x86_64)",
        "x/libnew.so.3 (glibc 2.38)",
        "x/linux-arm64-musl.node (musl)",
        "x/linux-x64.node (Linux on x86_64)",
        "x/mac.node (macOS)",
        "x/windows.node (Windows)",
    ]
    assert not_loadable({"a.js": b""}, "arm64") == []
