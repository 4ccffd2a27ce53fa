"""How many requests per second: a token bucket whose rate follows what AWS accepts. Pure: the time is handed in.

The bucket holds `burst` tokens and fills at `rate_per_s`; in any window of t seconds at most burst + rate * t are taken.
Every WINDOW_S the answers are judged. When more than TOLERATED_SHARE of them were throttled, the rate becomes what was
accepted (a multiplicative decrease by the throttled share: against a limit of L it lands on L in one step); otherwise it
rises by RISE_PER_WINDOW of the cap. Riding at a limit therefore costs some refused attempts, and a few
refusals that have nothing to do with the rate do not slow a run down.

Account or client? API Gateway answers 429 in both cases. `TooManyRequestsException`, `ThrottlingException` and the
messages "Too Many Requests" and "Rate exceeded" are the account's or the stage's limit. `LimitExceededException` is
"more than the allowed number of requests per unit of time or the WebSocket client side buffer is full" (model of
apigatewaymanagementapi) with nothing to tell them apart. It counts as one client's full buffer, unless more than
TOLERATED_SHARE of the connections posted to for the first time answer so: that many clients are not slow at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

WINDOW_S: Final = 0.25
LONGEST_WINDOW_S: Final = 2.0
ANSWERS_TO_JUDGE: Final = 20
"""Fewer are not judged before LONGEST_WINDOW_S."""
FIRST_ANSWERS_TO_TELL: Final = 10
"""Fewer first attempts do not show whose limit an unclear 429 is about: the previous assessment stays."""
TOLERATED_SHARE: Final = 0.05
RISE_PER_WINDOW: Final = 0.02
LOWEST_SHARE_OF_CAP: Final = 0.01
LARGEST_CUT: Final = 0.5

_ACCOUNT_CODES: Final = frozenset(
    {"TooManyRequestsException", "ThrottlingException", "Throttling", "ThrottledException"}
)
_ACCOUNT_MESSAGES: Final = ("too many requests", "rate exceeded")


class Throttle(StrEnum):
    """Whose limit a 429 is about."""

    ACCOUNT = "account"
    UNCLEAR = "unclear"


def throttle_of(error_code: str, message: str) -> Throttle:
    """What a 429 says of whose limit it is."""
    text = message.lower()
    named = error_code in _ACCOUNT_CODES or any(words in text for words in _ACCOUNT_MESSAGES)
    # Without any name it comes from a proxy or a firewall in front of API Gateway: that is not one client's buffer.
    return Throttle.ACCOUNT if named or not error_code else Throttle.UNCLEAR


@dataclass(slots=True)
class Window:
    """What was answered since `began_s`."""

    began_s: float
    answers: int = 0
    first_answers: int = 0
    account: int = 0
    unclear: int = 0
    unclear_first: int = 0


class AdaptiveRate:
    """The bucket. Times are of one monotonic clock, in seconds."""

    def __init__(self, rate_per_s: float, burst: int, now_s: float) -> None:
        self.cap_per_s = rate_per_s
        self.rate_per_s = rate_per_s
        self.tokens = float(max(1, burst))
        self._burst = float(max(1, burst))
        self._filled_s = now_s
        self._window = Window(now_s)
        self.unclear_is_account = False

    def limit(self, rate_per_s: float) -> None:
        """Another cap. A rate that was at the old one goes to the new one at once; one that AWS has slowed down rises to it."""
        was_at_the_cap = self.rate_per_s >= self.cap_per_s
        self.cap_per_s = rate_per_s
        self.rate_per_s = rate_per_s if was_at_the_cap else min(self.rate_per_s, rate_per_s)

    def fill(self, now_s: float) -> None:
        """Add the tokens of the time that has passed, and judge the window when it is over."""
        if now_s > self._filled_s:
            self.tokens = min(self._burst, self.tokens + (now_s - self._filled_s) * self.rate_per_s)
            self._filled_s = now_s
        if now_s - self._window.began_s >= WINDOW_S:
            self._judge(now_s)

    def take(self) -> bool:
        """Take a token, if there is one."""
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True

    def wait_s(self) -> float:
        """How long until there is a token."""
        return max(0.0, (1.0 - self.tokens) / self.rate_per_s)

    def answered(self, count: int, first: int) -> None:
        """So many answers of any kind; `first` of them to first attempts."""
        self._window.answers += count
        self._window.first_answers += first

    def throttled(self, throttle: Throttle, *, first: bool) -> Throttle:
        """A 429 arrived (it is among those `answered`). Gives what it is taken for: UNCLEAR is one client's buffer."""
        if throttle is Throttle.ACCOUNT:
            self._window.account += 1
            return throttle
        self._window.unclear += 1
        self._window.unclear_first += first
        return Throttle.ACCOUNT if self.unclear_is_account else throttle

    def _judge(self, now_s: float) -> None:
        window = self._window
        age_s = now_s - window.began_s
        if window.answers < ANSWERS_TO_JUDGE and age_s < LONGEST_WINDOW_S:
            return
        self._window = Window(now_s)
        if window.first_answers >= FIRST_ANSWERS_TO_TELL:
            self.unclear_is_account = window.unclear_first > max(1.0, TOLERATED_SHARE * window.first_answers)
        throttled = window.account + (window.unclear if self.unclear_is_account else 0)
        share = throttled / max(1, window.answers)
        if share > TOLERATED_SHARE:
            self._slow_down(min(share, LARGEST_CUT), window.answers / age_s)
        else:
            windows = age_s / WINDOW_S
            self.rate_per_s = min(
                self.cap_per_s, self.rate_per_s + windows * RISE_PER_WINDOW * self.cap_per_s
            )

    def _slow_down(self, share: float, answered_per_s: float) -> None:
        """A limit below the rate at which answers came; a burst that was saved up would only be refused."""
        reached_per_s = min(self.rate_per_s, answered_per_s) * (1.0 - share)
        self.rate_per_s = max(LOWEST_SHARE_OF_CAP * self.cap_per_s, reached_per_s)
        self.tokens = min(self.tokens, self.rate_per_s * WINDOW_S)
