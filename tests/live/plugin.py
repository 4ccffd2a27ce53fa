"""The pytest plugin of a run: the account instead of the embedded AWS, which tests are asked, and what each answered.

Loaded by `python -m tests.live run` (`-p tests.live.plugin`), never by pytest alone.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.live import registry
from tests.live.account import RUN_TAG, LiveAws, OptIn
from tests.live.guard import Guard
from tests.live.loads import limits
from tests.live.recording import Placeholders, Recorder

LIVE = "live/test_account.py"


class LiveAccount:
    """The plugin `live-account`: tests find the account here."""

    def __init__(self) -> None:
        environ = os.environ
        opted = OptIn.of(environ)
        run = environ["WHATSCHAT_LIVE_PREFIX"]
        session = opted.session()
        record, results = environ.get("WHATSCHAT_LIVE_RECORD"), environ["WHATSCHAT_LIVE_RESULTS"]
        keys = session.get_credentials().get_frozen_credentials()
        known = (str(keys.secret_key), str(keys.access_key), str(keys.token or ""))
        recorder = Recorder(Path(record) if record else None, Placeholders(*known))
        self.aws = LiveAws(opted, session, run, Guard(run, (RUN_TAG, run), limits()), recorder)
        self._results, self._answers = Path(results), dict[str, dict[str, str]]()
        self._end_signal, _, self._end_at = environ.get("WHATSCHAT_LIVE_END_AT", "").partition(" ")

    def answered(self, question: str, answer: str, verdict: str) -> None:
        """Note the answer to a question about a difference. A test of the suite itself ends it here, with a signal."""
        self._answers[question] = {"answer": answer, "verdict": verdict}
        self.aws.recorder.finish(question, answer)
        if self._end_at and question.startswith(self._end_at):
            os.killpg(0, signal.Signals[self._end_signal])

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
        """Write the recording and the outcome of each test."""
        outcome = yield
        if call.when == "teardown":
            self.aws.recorder.finish(item.nodeid.removeprefix("tests/"), self._outcome(item))
        elif call.when == "call" or call.excinfo is not None:
            item.stash[OUTCOME] = outcome.get_result().outcome

    def _outcome(self, item: pytest.Item) -> str:
        found = item.stash.get(OUTCOME, "failed")
        if item.originalname not in QUESTION:  # type: ignore[attr-defined]
            self._answers[item.nodeid.removeprefix("tests/")] = {"answer": found, "verdict": found}
        return found

    def pytest_sessionfinish(self) -> None:
        """Write the answers and how many requests were sent."""
        document = {"answers": self._answers, "requests": dict(self.aws.guard.sent)}
        self._results.write_text(json.dumps(document, indent=1), encoding="utf-8")


OUTCOME = pytest.StashKey[str]()
QUESTION = "test_answer_is_what_the_page_says_of_aws"
"""Of it, the answers are noted, not whether it passed."""


def pytest_configure(config: pytest.Config) -> None:
    """Put the account where fixtures look for it."""
    config.pluginmanager.register(LiveAccount(), "live-account")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what says what the embedded AWS does, and what the registry excludes."""
    kept = [item for item in items if _is_asked(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def _is_asked(item: pytest.Item) -> bool:
    if item.get_closest_marker("difference") is not None:
        return False
    path, _, _ = item.nodeid.removeprefix("tests/").partition("::")
    module = registry.MODULES.get(path)
    name = item.name.partition("[")[0]
    return path == LIVE or (module is not None and name not in module.excluded)
