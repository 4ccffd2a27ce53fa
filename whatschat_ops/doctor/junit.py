"""Results of checks as a JUnit report, as CI systems read it (the schema of the Jenkins xUnit plugin)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from whatschat_ops.doctor.check import CheckResult, Status
from whatschat_ops.errors import Hint
from whatschat_ops.redaction import redact

_UNMADE = (Status.SKIP, Status.SILENCED)


def as_junit(results: Sequence[CheckResult], words: Callable[[Hint], str]) -> str:
    """One test case a check; what was not made is `skipped`, a warning passes and says so. `words` makes a hint readable."""
    suite = Element(
        "testsuite",
        name="doctor",
        tests=str(len(results)),
        failures=str(sum(result.status is Status.FAIL for result in results)),
        skipped=str(sum(result.status in _UNMADE for result in results)),
    )
    for result in results:
        case = SubElement(suite, "testcase", classname=result.name, name=f"{result.code} {result.question}")
        text = redact(
            "\n".join(filter(None, (result.detail, result.evidence, words(result.fix) if result.fix else "")))
        )
        if result.status is Status.FAIL:
            SubElement(case, "failure", message=redact(result.detail)).text = text
        elif result.status in _UNMADE:
            SubElement(case, "skipped", message=redact(result.detail))
        elif result.status is Status.WARN:
            SubElement(case, "system-out").text = f"Warning: {text}"
    indent(suite)
    return tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
