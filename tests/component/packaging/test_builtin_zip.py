"""The zips: the same bytes everywhere, complete, and no larger than Lambda accepts."""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import os
import subprocess
import sys
import zipfile
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops import handlers
from whatschat_ops.errors import OpsError, UsageError
from whatschat_ops.packaging import FunctionPackage, build_function_zip
from whatschat_ops.packaging.archive import SizeLimits, build_zip, check_size, pack
from whatschat_ops.packaging.builtin import _sibling_imports
from whatschat_ops.packaging.content import ZipContent
from whatschat_ops.packaging.pins import Pin
from whatschat_ops.packaging.vendored import content_digest, normalise_newlines, pinned_files

FUNCTIONS = ("connect", "disconnect", "default")
REPOSITORY = Path(__file__).parents[3]

PRINT_HASHES = """
import os, sys
os.umask(int(sys.argv[1], 8))
from whatschat_ops.packaging import build_function_zip
for function in ("connect", "disconnect", "default"):
    print(build_function_zip(function, "arm64", "python3.13").sha256_base64)
"""


def package(function: str) -> FunctionPackage:
    return build_function_zip(function, "arm64", "python3.13")


def opened(function: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(package(function).zip_bytes))


def hashes_built_in_another_process(umask: str, cwd: Path, **variables: str) -> list[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), **variables}
    command = [sys.executable, "-c", PRINT_HASHES, umask]
    return subprocess.run(
        command, env=environment, cwd=cwd, check=True, capture_output=True, text=True
    ).stdout.split()


def test_other_umask_directory_time_zone_and_hash_seed_give_the_same_bytes(tmp_path: Path) -> None:
    here = [package(function).sha256_base64 for function in FUNCTIONS]
    first = hashes_built_in_another_process("000", REPOSITORY, PYTHONHASHSEED="1", TZ="UTC")
    second = hashes_built_in_another_process("077", tmp_path, PYTHONHASHSEED="2", TZ="Pacific/Auckland")
    assert here == first == second
    assert len(set(here)) == 3


@pytest.mark.parametrize("function", FUNCTIONS)
def test_architecture_and_runtime_do_not_change_the_bytes(function: str) -> None:
    assert build_function_zip(function, "x86_64", "python3.12").zip_bytes == package(function).zip_bytes


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_entry_has_fixed_time_mode_and_system(function: str) -> None:
    entries = opened(function).infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    for entry in entries:
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
        assert entry.external_attr >> 16 == 0o100644
        assert entry.create_system == 3
        assert entry.compress_type == zipfile.ZIP_STORED
        assert entry.extra == b""


@pytest.mark.parametrize("function", FUNCTIONS)
def test_package_describes_its_zip(function: str) -> None:
    built = package(function)
    entries = opened(function).infolist()
    assert built.handler == f"whatschat_handlers.{function}.handler"
    assert built.file_names == tuple(entry.filename for entry in entries)
    assert built.size_bytes == len(built.zip_bytes)
    assert built.unzipped_size_bytes == sum(entry.file_size for entry in entries)
    assert built.sha256_base64 == base64.b64encode(hashlib.sha256(built.zip_bytes).digest()).decode()


def test_only_connect_carries_pyjwt_and_its_licence() -> None:
    names = {function: package(function).file_names for function in FUNCTIONS}
    assert "jwt/api_jwt.py" in names["connect"]
    assert any(name.endswith("LICENSE") for name in names["connect"])
    assert not any("jwt/" in name for name in (*names["disconnect"], *names["default"]))


def test_zip_holds_no_cache_and_no_module_of_another_function() -> None:
    for function in FUNCTIONS:
        names = package(function).file_names
        assert not any("__pycache__" in name or name.endswith(".pyc") for name in names)
        others = {f"whatschat_handlers/{other}.py" for other in FUNCTIONS if other != function}
        assert others.isdisjoint(names)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_handler_can_be_imported_from_the_zip_alone(function: str, tmp_path: Path) -> None:
    (tmp_path / "code.zip").write_bytes(package(function).zip_bytes)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'code.zip')!r})\n"
        f"import whatschat_handlers.{function} as module\n"
        "assert callable(module.handler)\n"
        "assert not {'whatschat_ops', 'boto3', 'botocore'} & set(sys.modules), 'imports what is not in the zip'\n"
    )
    # -I -S: neither this environment's packages nor the repository are importable, as in Lambda.
    subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True, cwd=tmp_path)


@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?\.py", fullmatch=True), st.binary(max_size=200))
)
def test_zip_does_not_depend_on_the_order_of_its_files(files: dict[str, bytes]) -> None:
    backwards = dict(reversed(files.items()))
    zip_bytes = build_zip(files)
    assert build_zip(backwards) == zip_bytes
    archive = zipfile.ZipFile(io.BytesIO(zip_bytes))
    assert {name: archive.read(name) for name in archive.namelist()} == files


def test_code_too_large_unzipped_names_the_largest_parts() -> None:
    files = {"numpy/core.py": b"x" * 3_000_000, "app/main.py": b"x" * 10, "jwt/api.py": b"x" * 1_000_000}
    limits = SizeLimits(zipped_bytes=50_000_000, unzipped_bytes=2_000_000)
    with pytest.raises(OpsError) as caught:
        check_size("connect", files, build_zip(files), limits)
    assert "function connect is too large: 3.8 MB unzipped" in caught.value.message
    assert caught.value.hint is not None
    assert "numpy (2.9 MB), jwt (1.0 MB), app" in str(caught.value.hint)


def test_code_too_large_zipped_says_so() -> None:
    files = {"a.py": b"x" * 2_000_000}
    with pytest.raises(OpsError, match=r"zipped, and Lambda accepts 1\.0 MB"):
        check_size("default", files, build_zip(files), SizeLimits(1024 * 1024, 250_000_000))


def test_code_too_large_names_npm_packages_by_their_names() -> None:
    files = {
        "node_modules/@aws-sdk/client-s3/dist/index.js": b"x" * 3_000_000,
        "node_modules/moment/moment.js": b"x" * 2_000_000,
        "dist/connect.js": b"x",
    }
    with pytest.raises(OpsError) as caught:
        pack("connect", files, limits=SizeLimits(zipped_bytes=50_000_000, unzipped_bytes=1_000_000))
    assert caught.value.hint is not None
    assert "node_modules/@aws-sdk/client-s3 (2.9 MB), node_modules/moment (1.9 MB)" in str(caught.value.hint)


def test_code_is_deflated_only_when_it_is_too_large_otherwise() -> None:
    files = {"a.js": b"x" * 2_000_000}
    assert pack("connect", files) == build_zip(files)
    deflated = pack("connect", files, limits=SizeLimits(1_000_000, 250_000_000))
    assert len(deflated) < 10_000
    assert zipfile.ZipFile(io.BytesIO(deflated)).read("a.js") == files["a.js"]


@pytest.mark.parametrize(
    ("function", "architecture", "runtime", "message"),
    [
        ("connct", "arm64", "python3.13", "no built-in function 'connct': the functions are connect, "),
        ("connect", "riscv", "python3.13", "no architecture 'riscv'"),
        ("connect", "arm64", "nodejs22.x", "cannot run on nodejs22.x"),
    ],
)
def test_impossible_target_is_a_usage_error(
    function: str, architecture: str, runtime: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        build_function_zip(function, architecture, runtime)


def test_windows_line_ends_become_lf() -> None:
    assert normalise_newlines(b"a\r\nb\nc\r\n") == b"a\nb\nc\n"


def install(folder: Path, name: str, files: dict[str, bytes], record: bool = True) -> None:
    """Put a distribution into `folder` as pip would."""
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    if record:
        (metadata / "RECORD").write_text("".join(f"{path},,\n" for path in files))


def test_packaged_files_are_sources_and_licence_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "thing/__init__.py": b"a = 1\r\n",
        "thing/__pycache__/__init__.cpython-311.pyc": b"\0",
        "thing/py.typed": b"",
        "thing/core.cpython-311-x86_64-linux-gnu.so": b"\x7fELF",
        "thing-1.0.dist-info/LICENSE": b"MIT\n",
        "../bin/thing.py": b"",
    }
    install(tmp_path, "thing", {path: files[path] for path in files if not path.startswith("..")})
    with (tmp_path / "thing-1.0.dist-info" / "RECORD").open("a") as record:
        record.write("../bin/thing.py,,\n")
    (tmp_path / "thing" / "stray.py").write_bytes(b"not in RECORD")
    monkeypatch.syspath_prepend(tmp_path)
    needed = {"thing/__init__.py": b"a = 1\n", "thing-1.0.dist-info/LICENSE": b"MIT\n"}
    assert pinned_files(Pin("Thing", "1.0", "0" * 64, content_digest(needed))) == needed


def test_installation_without_record_is_not_packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "distrothing", {"distrothing.py": b""}, record=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(OpsError, match="cannot download distrothing"):
        pinned_files(Pin("distrothing", "1.0", "0" * 64, content_digest({"distrothing.py": b""})))


@pytest.mark.parametrize(
    "path", sorted(Path(handlers.__file__).parent.glob("*.py")), ids=lambda path: path.stem
)
def test_imports_read_line_by_line_are_those_that_python_sees(path: Path) -> None:
    nodes = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.ImportFrom)]
    seen = [
        [node.module] if node.module else [name.name for name in node.names] for node in nodes if node.level
    ]
    assert sorted(_sibling_imports(path.read_bytes())) == sorted(chain.from_iterable(seen))


def test_additional_package_with_another_version_of_our_file_is_refused() -> None:
    ours = package("disconnect")
    name = "whatschat_handlers/disconnect.py"
    with zipfile.ZipFile(io.BytesIO(ours.zip_bytes)) as archive:
        same = {name: archive.read(name)}
    assert (
        build_function_zip("disconnect", "arm64", "python3.13", extra=ZipContent(same)).zip_bytes
        == ours.zip_bytes
    )
    with pytest.raises(OpsError, match=f"another {name} than the built-in handlers"):
        build_function_zip("disconnect", "arm64", "python3.13", extra=ZipContent({name: b"other"}))
