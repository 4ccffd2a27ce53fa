"""The worker's zip, run as Lambda runs it."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

from whatschat_ops.packaging import build_worker_zip


def test_worker_zip_is_the_same_twice_and_runs_without_any_package(tmp_path: Path) -> None:
    package = build_worker_zip("broadcast-worker")
    assert package.zip_bytes == build_worker_zip("broadcast-worker").zip_bytes
    with zipfile.ZipFile(io.BytesIO(package.zip_bytes)) as archive:
        archive.extractall(tmp_path)
    (tmp_path / "boto3.py").write_text("")  # Lambda's runtime has it
    code = (
        "import sys; sys.path.insert(0, '.'); import whatschat_ops.worker.handler as found; "
        "print(found.__file__, [name for name in sys.modules if name.startswith('botocore')])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1:] == ["[]"]
    assert package.handler == "whatschat_ops.worker.handler.handler"
