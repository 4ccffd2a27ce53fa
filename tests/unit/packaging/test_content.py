"""What goes into a zip comes out of it again: files, modes, links; and what must not go in stays out."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.errors import OpsError
from whatschat_ops.packaging.archive import PROGRAM_0755, SYMBOLIC_LINK, SizeLimits, build_zip, pack
from whatschat_ops.packaging.content import ZipContent, read_zip
from whatschat_ops.packaging.private_files import without_private_files

NAMES = st.from_regex(r"[a-z.]{1,6}(/[a-z]{1,6}){0,2}", fullmatch=True).filter(
    lambda name: ".." not in name and name[0] != "."
)
MODES = st.sampled_from([None, PROGRAM_0755, SYMBOLIC_LINK])


@given(st.dictionaries(NAMES, st.tuples(st.binary(max_size=50), MODES), max_size=8), st.booleans())
def test_content_is_the_same_after_packing_and_reading(
    entries: dict[str, tuple[bytes, int | None]], deflated: bool
) -> None:
    files = {name: content for name, (content, _) in entries.items()}
    modes = {name: mode for name, (_, mode) in entries.items() if mode is not None}
    stored_bytes = len(build_zip(files, modes))
    limits = SizeLimits(zipped_bytes=stored_bytes - deflated, unzipped_bytes=10_000_000)
    try:
        zip_bytes = pack("connect", files, modes, limits)
    except OpsError:
        assert deflated  # it has become no smaller
        return
    assert read_zip(zip_bytes, "x.zip") == ZipContent(files, modes)


def test_packed_programs_and_links_have_their_modes_in_the_archive() -> None:
    files = {"run": b"#!", "link": b"run", "text": b""}
    zip_bytes = pack("connect", files, {"run": PROGRAM_0755, "link": SYMBOLIC_LINK})
    modes = {
        entry.filename: entry.external_attr >> 16
        for entry in zipfile.ZipFile(io.BytesIO(zip_bytes)).infolist()
    }
    assert modes == {"run": stat.S_IFREG | 0o755, "link": stat.S_IFLNK | 0o777, "text": stat.S_IFREG | 0o644}


CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("path", "content", "private"),
    [
        (".env", b"", True),
        ("dist/.env.production", b"", True),
        (".env.example", b"", False),
        ("a/.npmrc", b"", True),
        ("id_rsa", b"", True),
        ("id_rsa.pub", b"ssh-rsa AAAA", False),
        ("server.KEY", b"", True),
        ("home/.aws/credentials", b"", True),
        ("certificate.pem", b"-----BEGIN CERTIFICATE-----", False),
        ("certificate.pem", b"-----BEGIN RSA PRIVATE KEY-----", True),
        ("anything", b"\n-----BEGIN OPENSSH PRIVATE KEY-----", True),
        ("anything.asc", b"-----BEGIN PGP PRIVATE KEY BLOCK-----", True),
        ("pkcs8.js", b"const head = '-----BEGIN PRIVATE KEY-----'", False),
        ("firebase.json", b'{"type": "service_account", "private_key": ""}', True),
        ("environment.js", b"", False),
        ("adc.json", b'{"type": "authorized_user", "refresh_token": ""}', True),
        ("server.pem", CERTIFICATE + b"-----BEGIN PRIVATE KEY-----\nMIIE\n", True),
        (
            "server.pem",
            CERTIFICATE.replace(b"\n", b"\r\n") + b"-----BEGIN EC PRIVATE KEY-----\r\nMIIE\r\n",
            True,
        ),
        ("server.pem", b"subject=/CN=a\n-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIE\n", True),
        ("server.pem", b"\xef\xbb\xbf-----BEGIN PRIVATE KEY-----\nMIIE\n", True),
        ("chain.pem", CERTIFICATE * 2, False),
        ("quoted.js", b"const head = `\n-----BEGIN PRIVATE KEY-----\n`", False),
        ("README.md", b"-- \n-----BEGIN PRIVATE KEY-----\n", False),
        (".envrc", b"", True),
        ("id_ed25519_sk", b"", True),
        ("infra/prod.tfvars", b"", True),
        (".kube/config", b"", True),
    ],
)
def test_file_of_secrets_is_known_by_its_name_or_content(path: str, content: bytes, private: bool) -> None:
    said: list[str] = []
    kept = without_private_files(ZipContent({path: content, "a.js": b""}), (), said.append)
    assert (path not in kept.files) == private
    assert [path in line for line in said] == ([True] if private else [])
    assert path in without_private_files(ZipContent({path: content}), [path], said.append).files


def test_link_to_a_file_left_out_keeps_its_mode_only_if_it_stays(tmp_path: Path) -> None:
    content = ZipContent({".env": b"other", "run": b""}, {".env": SYMBOLIC_LINK, "run": PROGRAM_0755})
    assert without_private_files(content, (), lambda _line: None) == ZipContent(
        {"run": b""}, {"run": PROGRAM_0755}
    )
