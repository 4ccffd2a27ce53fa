"""What is refused of a function's code before ministack sees it."""

from __future__ import annotations

import pytest

from whatschat_ops.local.control.lambda_validation import of_code


@pytest.mark.parametrize("content", ["a", "é", 7])
def test_code_that_is_not_base64_is_refused(content: object) -> None:
    assert of_code({"ZipFile": content}, None) == (
        "InvalidParameterValueException",
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
    )
