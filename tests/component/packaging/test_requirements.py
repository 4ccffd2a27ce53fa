"""More packages for the built-in handlers: the wheels of Lambda's machines, whatever this machine is.

pip runs for real, on an index of our own: a folder of wheels.
"""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from whatschat_ops.config.lambda_settings import LambdaSettings
from whatschat_ops.errors import ConfigError, OpsError
from whatschat_ops.packaging import build_packages
from whatschat_ops.packaging.wheels import requirement_files, unpacked


def wheel(folder: Path, name: str, tag: str, files: dict[str, bytes], needs: str = "") -> Path:
    """A wheel as PEP 427 has it."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n" + (
        f"Requires-Dist: {needs}\n" if needs else ""
    )
    everything = {
        **files,
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
        f"{info}/RECORD": b"",
    }
    path = folder / f"{name}-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, content in everything.items():
            archive.writestr(inner, content)
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index: `quick` is compiled for four targets and needs the pure `plain`."""
    folder = tmp_path / "index"
    targets = {
        "cp313-cp313-manylinux_2_28_aarch64": b"arm64 3.13",
        "cp313-cp313-manylinux2014_x86_64.manylinux_2_17_x86_64": b"x86_64 3.13",
        "cp312-cp312-manylinux_2_34_aarch64": b"arm64 3.12",
        "cp313-cp313-manylinux_2_39_aarch64": b"too new a glibc",
        "cp313-cp313-macosx_11_0_arm64": b"macOS",
    }
    for tag, content in targets.items():
        wheel(folder, "quick", tag, {"quick/core.so": content, "quick/__init__.py": b""}, needs="plain")
    wheel(folder, "plain", "py3-none-any", {"plain.py": b"value = 1\n"})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def requirements(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("runtime", "architecture", "content"),
    [
        ("python3.13", "arm64", b"arm64 3.13"),
        ("python3.13", "x86_64", b"x86_64 3.13"),
        ("python3.12", "arm64", b"arm64 3.12"),
    ],
)
def test_compiled_package_is_the_one_for_the_function(
    runtime: str, architecture: str, content: bytes, index: Path, tmp_path: Path
) -> None:
    files = requirement_files(requirements(tmp_path, "quick==1.0\n"), runtime, architecture).files
    assert files["quick/core.so"] == content
    assert files["plain.py"] == b"value = 1\n"
    assert not any(name.endswith(("RECORD", "WHEEL")) for name in files)
    assert "quick-1.0.dist-info/METADATA" in files


def test_package_without_a_wheel_for_lambda_is_an_error_with_pips_words(index: Path, tmp_path: Path) -> None:
    with pytest.raises(OpsError) as caught:
        requirement_files(requirements(tmp_path, "quick==1.0\n"), "python3.14", "x86_64")
    assert "pip cannot download quick==1.0 (exit code 1):" in caught.value.message
    assert "No matching distribution found for quick==1.0" in caught.value.message


def test_second_packaging_downloads_nothing_and_names_what_is_not_pinned(index: Path, tmp_path: Path) -> None:
    path = requirements(tmp_path, "# ours\nquick==1.0\n\n")
    said: list[str] = []
    first = requirement_files(path, "python3.13", "arm64", said.append)
    for file in index.iterdir():
        file.unlink()
    second = requirement_files(path, "python3.13", "arm64", said.append)
    assert first == second
    assert said == [
        "pip download: quick==1.0",
        *["requirements.txt does not pin plain==1.0: add them to get the same zips everywhere."] * 2,
    ]


def test_failed_download_is_tried_again(index: Path, tmp_path: Path) -> None:
    path = requirements(tmp_path, "late==1.0\n")
    with pytest.raises(OpsError):
        requirement_files(path, "python3.13", "arm64")
    wheel(index, "late", "py3-none-any", {"late.py": b""})
    assert "late.py" in requirement_files(path, "python3.13", "arm64").files


@pytest.mark.parametrize("line", ["-r other.txt", "--index-url https://example.com", "-e ."])
def test_line_that_is_no_package_is_refused(line: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="only packages can be listed here"):
        requirement_files(requirements(tmp_path, f"{line}\n"), "python3.13", "arm64")


def test_file_that_is_not_there_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        requirement_files(tmp_path / "nothing.txt", "python3.13", "arm64")


def test_every_function_carries_the_packages_and_stays_reproducible(index: Path, tmp_path: Path) -> None:
    path = requirements(tmp_path, "plain==1.0\n")
    settings = LambdaSettings(requirements=str(path))
    packages = build_packages(settings)
    assert set(packages) == {"connect", "disconnect", "default"}
    assert all("plain.py" in package.file_names for package in packages.values())
    plain = build_packages(LambdaSettings())
    assert all(packages[name].sha256_base64 != plain[name].sha256_base64 for name in plain)
    assert [build_packages(settings)[name].zip_bytes for name in packages] == [
        package.zip_bytes for package in packages.values()
    ]


def test_another_version_of_our_own_dependency_is_refused(index: Path, tmp_path: Path) -> None:
    wheel(index, "pyjwt", "py3-none-any", {"jwt/__init__.py": b"other = True\n"})
    path = requirements(tmp_path, "pyjwt==1.0\n")
    with pytest.raises(
        OpsError, match=r"another jwt/__init__\.py than the built-in handlers, which use PyJWT=="
    ):
        build_packages(LambdaSettings(requirements=str(path)))


def test_wheel_is_laid_out_as_pip_installs_it(tmp_path: Path) -> None:
    path = wheel(
        tmp_path,
        "thing",
        "py3-none-any",
        {
            "thing-1.0.data/purelib/thing/a.py": b"a",
            "thing-1.0.data/platlib/thing/b.so": b"b",
            "thing-1.0.data/scripts/thing": b"#!python",
            "thing/__pycache__/c.cpython-313.pyc": b"c",
            "thing-1.0.dist-info/licenses/LICENSE": b"MIT",
            "thing-1.0.dist-info/entry_points.txt": b"[x]",
            "flat.data": b"d",
        },
    )
    assert set(unpacked(path).files) == {
        "thing/a.py",
        "thing/b.so",
        "flat.data",
        "thing-1.0.dist-info/METADATA",
        "thing-1.0.dist-info/licenses/LICENSE",
        "thing-1.0.dist-info/entry_points.txt",
    }


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a directory that cannot be written")
def test_state_directory_that_cannot_be_written_is_named(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    monkeypatch.setenv("WHATSCHAT_OPS_STATE_DIR", str(closed / "state"))
    with pytest.raises(OpsError, match="cannot be written"):
        requirement_files(requirements(tmp_path, "plain==1.0\n"), "python3.13", "arm64")


def test_python_without_pip_says_what_to_do(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['pip'] = None\n"
        "from pathlib import Path\n"
        "from whatschat_ops.errors import OpsError\n"
        "from whatschat_ops.packaging.wheels import requirement_files\n"
        "try: requirement_files(Path(sys.argv[1]), 'python3.13', 'arm64')\n"
        "except OpsError as error: print(error.message)\n"
    )
    path = requirements(tmp_path, "plain==1.0\n")
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert "plain==1.0 cannot be downloaded: this Python has no pip." in done.stdout


def test_program_of_a_wheel_stays_a_program(tmp_path: Path, index: Path) -> None:
    path = wheel(index, "tool", "py3-none-any", {})
    with zipfile.ZipFile(path, "a") as archive:
        for name, mode in {"tool/bin/engine": 0o100755, "tool/data.txt": 0o100644}.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            archive.writestr(entry, "#!")
    settings = LambdaSettings(requirements=str(requirements(tmp_path, "tool==1.0\n")))
    built = build_packages(settings, ["default"])["default"]
    with zipfile.ZipFile(io.BytesIO(built.zip_bytes)) as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    assert (modes["tool/bin/engine"], modes["tool/data.txt"]) == (0o100755, 0o100644)


def test_wheel_that_imports_what_is_in_none_is_an_error_and_is_not_kept(tmp_path: Path, index: Path) -> None:
    wheel(index, "broken", "py3-none-any", {"broken/__init__.py": b"import absent\n"})
    path = requirements(tmp_path, "broken==1.0\n")
    with pytest.raises(OpsError, match=r"absent \(imported by broken/__init__\.py\)"):
        requirement_files(path, "python3.13", "arm64")
    wheel(index, "broken", "py3-none-any", {"broken/__init__.py": b""})
    assert "broken/__init__.py" in requirement_files(path, "python3.13", "arm64").files


def test_rebuild_downloads_again(tmp_path: Path, index: Path) -> None:
    settings = LambdaSettings(requirements=str(requirements(tmp_path, "plain\n")))
    build_packages(settings, ["default"])
    wheel(index, "plain", "py3-none-any", {"newer.py": b""})
    assert "newer.py" not in build_packages(settings, ["default"])["default"].file_names
    assert "newer.py" in build_packages(settings, ["default"], rebuild=True)["default"].file_names
