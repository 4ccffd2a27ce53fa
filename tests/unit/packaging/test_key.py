"""Everything that decides a build changes its key, and nothing else does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from whatschat_ops.config.lambda_settings import SourceSettings
from whatschat_ops.packaging.node.folder import open_folder
from whatschat_ops.packaging.node.mentions import ANYWHERE, mentions

Change = Callable[[Path], object]


def write(path: Path, content: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with a workspace: the folder app, packages that it links, and others."""
    root = tmp_path / "repository"
    (root / ".git").mkdir(parents=True)
    manifest = {
        "scripts": {"build": "node build.js"},
        "dependencies": {"linked": "file:../linked", "member": "*", "archive": "file:../archive.tgz"},
    }
    write(root / "package.json", json.dumps({"workspaces": ["app", "member", "linked"]}))
    write(root / "package-lock.json", "{}")
    write(root / "app/package.json", json.dumps(manifest))
    write(root / "app/build.js", "process.env.API_URL")
    write(root / "app/src/a.ts", 'import "./b"')
    for name in ("linked", "member"):
        write(
            root / name / "package.json",
            json.dumps({"dependencies": {"deeper": "link:../deeper"} if name == "linked" else {}}),
        )
        write(root / name / "dist/index.js", "1")
    write(root / "deeper/index.js", "1")
    write(root / "archive.tgz", "1")
    write(root / "other/lib.js", "1")
    write(root / "tsconfig.base.json", "{}")
    (root / "node_modules").mkdir()
    (root / "node_modules/member").symlink_to("../member")
    return root


def key(root: Path, **source: Any) -> str | None:
    return open_folder(SourceSettings.of({"path": str(root / "app"), **source})).key()


@pytest.mark.parametrize(
    "change",
    [
        lambda root: write(root / "app/src/a.ts", "2"),
        lambda root: write(root / "app/.hidden/x", "2"),
        lambda root: (root / "app/src/a.ts").rename(root / "app/src/c.ts"),
        lambda root: (root / "app/build.js").chmod(0o755),
        lambda root: write(root / "package-lock.json", '{"lockfileVersion": 3}'),
        lambda root: write(root / "package.json", '{"workspaces": ["app"], "overrides": {"ms": "2"}}'),
        lambda root: write(root / ".npmrc", "install-links=true"),
        lambda root: write(root / "app/node_modules/.package-lock.json", "{}"),
        lambda root: write(root / "linked/dist/index.js", "2"),
        lambda root: write(root / "member/dist/index.js", "2"),
        lambda root: write(root / "deeper/index.js", "2"),
        lambda root: write(root / "archive.tgz", "2"),
        lambda root: write(root / "app/assets/words.zip", "2"),
        lambda root: write(root / "tsconfig.base.json", '{"compilerOptions": {}}'),
    ],
)
def test_input_that_changes_changes_the_key(change: Change, root: Path) -> None:
    before = key(root)
    assert before == key(root)
    change(root)
    assert key(root) != before


@pytest.mark.parametrize(
    "change",
    [
        lambda root: write(root / "other/lib.js", "2"),
        lambda root: write(root / "app/dist/a.js", "2"),
        lambda root: write(root / "app/node_modules/.cache/x", "2"),
        lambda root: write(root / "app/function.zip", "2"),
        lambda root: write(root / ".git/index", "2"),
    ],
)
def test_what_does_not_decide_the_build_leaves_the_key(change: Change, root: Path) -> None:
    before = key(root)
    change(root)
    assert key(root) == before


@pytest.mark.parametrize(
    "source",
    [
        'import "../../other/lib"',
        'require("../../other/lib")',
        'readFileSync("../other/lib.js")',
        'path.join(__dirname, "..", "..", "other", "lib.js")',
        'new URL("../../other/lib.js", import.meta.url)',
    ],
)
def test_file_outside_that_a_source_mentions_is_an_input(source: str, root: Path) -> None:
    write(root / "app/src/a.ts", source)
    before = key(root)
    write(root / "other/lib.js", "2")
    assert before is not None
    assert key(root) != before


@pytest.mark.parametrize(
    "source",
    [
        'import "../../../beyond"',
        'execSync("git rev-parse HEAD")',
        'readFileSync(os.homedir() + "/x")',
    ],
)
def test_build_that_reads_what_cannot_be_told_has_no_key(source: str, root: Path) -> None:
    write(root / "app/src/a.ts", source)
    assert key(root) is None
    assert key(root, steps=["install"]) is not None  # nothing of the folder runs


def test_absolute_path_of_a_file_outside_has_no_key(root: Path) -> None:
    write(root / "app/src/a.ts", f'readFileSync("{root}/other/lib.js")')
    assert key(root) is None


def test_environment_that_the_sources_mention_and_node_env_are_inputs(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [key(root)]
    for name in ("UNRELATED", "API_URL", "NODE_ENV"):
        monkeypatch.setenv(name, "changed")
        keys.append(key(root))
    assert keys[0] == keys[1]
    assert len({*keys}) == 3


def test_version_of_a_tool_is_an_input(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for version in ("10.0.0", "11.0.0"):
        tools = tmp_path / version
        write(tools / "npm/package.json", json.dumps({"name": "npm", "version": version}))
        write(tools / "npm/bin/npm", "#!/bin/sh")
        (tools / "npm/bin/npm").chmod(0o755)
        monkeypatch.setenv("PATH", str(tools / "npm/bin"))
        found.append(key(root))
    assert found[0] != found[1]


def test_equal_folders_of_two_projects_share_no_build(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name / "app/package.json", "{}")
    assert key(tmp_path / "one") != key(tmp_path / "two")


def test_settings_that_decide_the_zip_are_inputs(root: Path) -> None:
    changed: list[dict[str, Any]] = [
        {},
        {"runtime": "nodejs24.x"},
        {"dependencies": "bundle"},
        {"include": [".env"]},
        {"optional": ["x"]},
    ]
    assert len({key(root, **source) for source in changed}) == len(changed)


@pytest.mark.parametrize(
    ("text", "name", "levels"),
    [
        (b"...args, [...'..']", "a.js", 1),
        (b'f("...", x...y)', "a.js", 0),
        (b'import "../x"', "src/a.ts", 0),
        (b'import "../x"', "a.ts", 1),
        (b'"extends": "../../tsconfig.json"', "tsconfig.json", 2),
        (b'"build": "cd .. && tsc"', "package.json", 1),
        (b'"build": "turbo run build"', "package.json", ANYWHERE),
        (b"see ../../docs", "README.md", 0),
        (b'\0"../../x"', "a.bin", 0),
    ],
)
def test_mention_counts_the_folders_above(text: bytes, name: str, levels: int, tmp_path: Path) -> None:
    assert mentions(text, name, tmp_path).levels == levels
