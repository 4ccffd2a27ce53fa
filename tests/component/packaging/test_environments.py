"""One hash for one source: zips built by other Pythons, users' settings, directories and versions of PyJWT."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from whatschat_ops.errors import OpsError
from whatschat_ops.packaging import build_function_zip
from whatschat_ops.packaging.pins import PYJWT, Pin
from whatschat_ops.packaging.vendored import content_digest, pinned_files

FUNCTIONS = ("connect", "disconnect", "default")
REPOSITORY = Path(__file__).parents[3]

# The other Pythons have none of our dependencies, and the zips of built-in handlers need none: only the package's
# own __init__, which also knows the settings model, is left out.
BUILD = """
import json, os, sys, types
os.umask(int(sys.argv[1], 8))
package = types.ModuleType("whatschat_ops.packaging")
package.__path__ = [sys.argv[2]]
sys.modules["whatschat_ops.packaging"] = package
from whatschat_ops.packaging.builtin import build_function_zip
hashes = [build_function_zip(name, "arm64", "python3.13").sha256_base64 for name in sys.argv[3:]]
print(json.dumps({"python": sys.version.split()[0], "hashes": hashes}))
"""


def other_pythons() -> list[str]:
    """Interpreters beside this one that the package supports: those of pyenv, and on the PATH."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [str(path) for path in sorted(root.glob("versions/3.1[1-9].*/bin/python"))]
    on_path = [shutil.which(f"python3.{minor}") for minor in range(11, 20)]
    return [path for path in (*found, *filter(None, on_path)) if _works(path)]


def _works(python: str) -> bool:
    done = subprocess.run([python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"], check=False)
    return done.returncode == 0


def packages_folder(folder: Path) -> Path:
    """A folder with the installed PyJWT and nothing else."""
    for path in importlib.metadata.distribution("PyJWT").files or ():
        if ".." not in path.parts and path.suffix != ".pyc":
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(path.locate()), folder / path)
    return folder


def build_with(python: str, umask: str, cwd: Path, packages: Path, **variables: str) -> dict[str, object]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join((str(REPOSITORY), str(packages))),
        "PYTHONDONTWRITEBYTECODE": "1",
        **variables,
    }
    command = [python, "-c", BUILD, umask, str(REPOSITORY / "whatschat_ops" / "packaging"), *FUNCTIONS]
    done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_other_pythons_and_settings_give_the_same_hashes(tmp_path: Path) -> None:
    pythons = other_pythons()
    if not pythons:
        pytest.skip("there is no other Python on this machine")
    packages = packages_folder(tmp_path / "packages")
    here = [build_function_zip(function, "arm64", "python3.13").sha256_base64 for function in FUNCTIONS]
    places = [
        {"umask": "000", "cwd": REPOSITORY, "TZ": "Pacific/Auckland", "PYTHONHASHSEED": "1", "LC_ALL": "C"},
        {"umask": "077", "cwd": tmp_path, "TZ": "America/New_York", "PYTHONHASHSEED": "2", "HOME": "/"},
    ]
    built = [
        build_with(python, packages=packages, **places[number % 2])  # type: ignore[arg-type]
        for number, python in enumerate(pythons)
    ]
    assert {str(each["python"]): each["hashes"] for each in built} == {
        str(each["python"]): here for each in built
    }


def test_pin_is_the_content_that_is_packaged() -> None:
    files = pinned_files(PYJWT)
    assert content_digest(files) == PYJWT.content_sha256
    assert any(path.startswith("pyjwt-2.") and "LICENSE" in path for path in files)


@pytest.fixture
def old_pyjwt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyJWT 1.0 is installed, and nothing can be downloaded."""
    folder = tmp_path / "site"
    (folder / "PyJWT-1.0.dist-info").mkdir(parents=True)
    (folder / "PyJWT-1.0.dist-info" / "RECORD").write_text("jwt/__init__.py,,\n")
    (folder / "jwt").mkdir()
    (folder / "jwt" / "__init__.py").write_text("old = True\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PIP_NO_INDEX", "1")


def test_other_installed_version_is_not_packaged(old_pyjwt: None) -> None:
    old = Pin("PyJWT", "1.0", "0" * 64, content_digest({"jwt/__init__.py": b"old = True\n"}))
    assert pinned_files(old) == {"jwt/__init__.py": b"old = True\n"}
    with pytest.raises(OpsError) as caught:
        pinned_files(PYJWT)
    assert "pip cannot download PyJWT==" in caught.value.message
    assert "No matching distribution found" in caught.value.message
    assert caught.value.hint is not None
    assert str(caught.value.hint).endswith(f"python -m pip install PyJWT=={PYJWT.version}")


def test_installation_that_was_changed_is_not_packaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    changed = Pin(PYJWT.name, PYJWT.version, PYJWT.wheel_sha256, content_sha256="0" * 64)
    with pytest.raises(OpsError, match="pip cannot download"):
        pinned_files(changed)


@pytest.fixture
def wheel_folder(tmp_path: Path) -> Path:
    """The pinned wheel, from the package index."""
    folder = tmp_path / "wheels"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    done = subprocess.run([*command, f"{PYJWT.name}=={PYJWT.version}"], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("no package index can be reached")
    return folder


def test_machine_with_another_version_gives_the_same_hash_from_the_wheel(
    wheel_folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = build_function_zip("connect", "arm64", "python3.13")
    request.getfixturevalue("old_pyjwt")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel_folder))
    said: list[str] = []
    for _ in range(2):
        built = build_function_zip("connect", "arm64", "python3.13", say=said.append)
        assert built.sha256_base64 == here.sha256_base64
    assert len(said) == 1, "the second time the wheel is in the state directory"
