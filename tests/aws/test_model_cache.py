"""The cache of service models: what it gives is what botocore would, and losing it loses time only."""

from __future__ import annotations

import gzip
import json
import os
import threading
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.utils import deep_merge

from whatschat_ops.aws import AwsTarget, connect
from whatschat_ops.aws.loading import direct_loader
from whatschat_ops.aws.model_cache import CachedFileLoader, without_documentation
from whatschat_ops.redaction import Secret

SERVICES = (
    "apigateway", "apigatewaymanagementapi", "apigatewayv2", "chime-sdk-meetings", "cloudwatch", "dynamodb", "iam", "lambda",
    "logs", "resourcegroupstaggingapi", "s3", "ssm", "stepfunctions", "sts",
)  # fmt: skip
MODEL = {
    "shapes": {"A": {"type": "string", "documentation": "<p>A.</p>"}},
    "metadata": {"documentation": "x"},
}
STRIPPED = {"shapes": {"A": {"type": "string"}}, "metadata": {"documentation": "x"}}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A model of one service, as botocore has them; without its extension."""
    path = tmp_path / "data" / "thing" / "2026-11-27" / "service-2"
    path.parent.mkdir(parents=True)
    path.with_suffix(".json.gz").write_bytes(gzip.compress(json.dumps(MODEL).encode()))
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


@pytest.mark.parametrize("service", SERVICES)
def test_model_is_botocores_own_without_its_texts(service: str, cache: Path) -> None:
    usual = Loader().load_service_model(service, "service-2")
    for _ in range(2):  # made, then found
        cached = Loader(file_loader=CachedFileLoader(cache)).load_service_model(service, "service-2")
        assert cached == json.loads(json.dumps(without_documentation(usual)))
    assert set(ServiceModel(cached).operation_names) == set(ServiceModel(usual).operation_names)


@pytest.mark.parametrize("service", SERVICES)
def test_client_of_a_cached_model_has_every_method(
    service: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    target = AwsTarget(region="us-east-1", access_key_id="testing", secret_access_key=Secret("testing"))
    usual = botocore.session.get_session().create_client(
        service, region_name="us-east-1", endpoint_url="http://127.0.0.1:1"
    )
    for _ in range(2):
        client = connect(target).client(service, endpoint_url="http://127.0.0.1:1")
        assert client.meta.method_to_api_mapping == usual.meta.method_to_api_mapping


def test_second_reader_reads_what_the_first_one_kept(source: Path, cache: Path) -> None:
    assert CachedFileLoader(cache).load_file(str(source)) == STRIPPED
    found = source.with_suffix(".json.gz").stat()
    source.with_suffix(".json.gz").write_bytes(b"?" * found.st_size)
    os.utime(source.with_suffix(".json.gz"), ns=(found.st_atime_ns, found.st_mtime_ns))
    assert CachedFileLoader(cache).load_file(str(source)) == STRIPPED


def test_botocores_extras_merge_into_a_kept_model(source: Path, cache: Path) -> None:
    CachedFileLoader(cache).load_file(str(source))
    kept = CachedFileLoader(cache).load_file(str(source))
    deep_merge(kept, {"shapes": {"A": {"max": 5}, "B": {"type": "long"}}})
    assert kept["shapes"] == {"A": {"type": "string", "max": 5}, "B": {"type": "long"}}


def test_changed_source_is_read_again(source: Path, cache: Path) -> None:
    CachedFileLoader(cache).load_file(str(source))
    source.with_suffix(".json.gz").write_bytes(gzip.compress(b'{"other": 1}'))
    assert CachedFileLoader(cache).load_file(str(source)) == {"other": 1}
    assert len(files(cache)) == 1


@pytest.mark.parametrize("damage", [b"", b"garbage", b"line\n", "keep 20", "first line only", "zeros"])
def test_damaged_file_is_made_anew(damage: bytes | str, source: Path, cache: Path) -> None:
    CachedFileLoader(cache).load_file(str(source))
    (kept,) = files(cache)
    whole = kept.read_bytes()
    line = whole.partition(b"\n")[0] + b"\n"
    damaged = {"keep 20": whole[:-20], "first line only": line, "zeros": line + bytes(len(whole) - len(line))}
    kept.write_bytes(damaged[damage] if isinstance(damage, str) else damage)
    assert CachedFileLoader(cache).load_file(str(source)) == STRIPPED
    assert kept.read_bytes() == whole


def test_cache_that_cannot_be_written_is_done_without(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    assert CachedFileLoader(tmp_path / "file").load_file(str(source)) == STRIPPED


def test_file_that_does_not_exist_is_none(tmp_path: Path, cache: Path) -> None:
    assert CachedFileLoader(cache).load_file(str(tmp_path / "service-2")) is None
    assert not files(cache)


def test_many_at_once_leave_one_whole_file(source: Path, cache: Path) -> None:
    found: list[Any] = []
    readers = [
        threading.Thread(target=lambda: found.append(CachedFileLoader(cache).load_file(str(source))))
        for _ in range(8)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert found == [STRIPPED] * 8 and len(files(cache)) == 1


def test_member_that_is_called_documentation_stays() -> None:
    model = {
        "shapes": {"S": {"members": {"documentation": {"shape": "Text", "documentation": "<p>It.</p>"}}}}
    }
    assert without_documentation(model) == {
        "shapes": {"S": {"members": {"documentation": {"shape": "Text"}}}}
    }


def test_loader_keeps_models_in_the_users_cache_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    direct_loader(botocore.session.Session()).load_service_model("sts", "service-2")
    assert {path.name.partition("-")[0] for path in files(tmp_path / "whatschat-ops" / "models")} == {"sts"}
