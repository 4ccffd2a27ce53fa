"""Work on a stream in threads without ever holding more of it than the threads need.

An error that would be the same for every row (IAM refuses, the credentials are not accepted, the table is gone) ends the
work; any other is the row's own.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final, TypeVar

from whatschat_ops.errors import CredentialsError, NotFound, PermissionDenied

T = TypeVar("T")
R = TypeVar("R")

THREADS: Final = 32
"""As many as the AWS client keeps TCP connections."""

FATAL: Final = (PermissionDenied, CredentialsError, NotFound)


def in_threads(items: Iterable[T], work: Callable[[T], R], *, threads: int = THREADS) -> Iterator[R]:
    """`work(item)` for every item, as they are done, in no order. At most a few items per thread are read ahead.

    Raises what `work` raises; what is running then is finished first, what waits is dropped.
    """
    stream = iter(items)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="housekeeping")
    try:
        running: set[Future[R]] = set()
        done: deque[Future[R]] = deque()
        while True:
            for item in itertools.islice(stream, threads * 4 - len(running)):
                running.add(pool.submit(work, item))
            if not running:
                return
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            done.extend(finished)
            while done:
                yield done.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
