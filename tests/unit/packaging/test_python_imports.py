"""Which imports of downloaded wheels cannot succeed. What each Python version lacks is from docs.python.org/3/whatsnew."""

from __future__ import annotations

import pytest

from whatschat_ops.errors import OpsError
from whatschat_ops.packaging.python_imports import require_imports


@pytest.mark.parametrize(
    ("files", "missing"),
    [
        ({"a.py": b"import absent"}, "absent (imported by a.py)"),
        (
            {"a/__init__.py": b"from . import b", "a/b.py": b"from absent.x import y"},
            "absent.x (imported by a/b.py)",
        ),
        ({"a/__init__.py": b"from .absent import b"}, "a.absent (imported by a/__init__.py)"),
        ({"a.py": b"import distutils.core"}, "distutils.core (imported by a.py)"),
        ({"a.py": b"import cgi"}, "cgi (imported by a.py)"),
    ],
)
def test_import_that_cannot_succeed_names_the_file(files: dict[str, bytes], missing: str) -> None:
    with pytest.raises(OpsError) as caught:
        require_imports(files, "python3.13")
    assert missing in caught.value.message


@pytest.mark.parametrize(
    "files",
    [
        {"a.py": b"import json, boto3, botocore.config, dateutil.tz"},
        {"a.py": b"try:\n    import absent\nexcept ImportError:\n    pass"},
        {"a.py": b"def f():\n    import absent"},
        {"a.py": b"if TYPE_CHECKING:\n    import absent"},
        {
            "a/__init__.py": b"from . import core, value\nfrom .core import x",
            "a/core.cpython-313-aarch64-linux-gnu.so": b"",
        },
        {"a/__init__.py": b"", "a/tests.py": b"import absent"},  # which nothing imports
        {"a/__init__.py": b"from .b import c", "a/b/c.py": b"from ..d import e", "a/d.py": b""},
        {"a.py": b"print 'Python 2'"},
    ],
)
def test_import_that_succeeds_or_need_not_happen_is_no_error(files: dict[str, bytes]) -> None:
    require_imports(files, "python3.13")


def test_module_that_a_later_python_removed_is_there_before() -> None:
    require_imports({"a.py": b"import cgi"}, "python3.12")
