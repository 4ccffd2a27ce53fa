"""What each tool does with the same file, in a process of its own: `python tools.py TOOL FORM PATH`.

All answer the same questions: messages by route, each line once, and the milliseconds that connections were open. The
result, the seconds that it took and the peak memory of the process are printed as JSON.
"""

from __future__ import annotations

import gzip
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Answer = tuple[int, int, int]
"""Messages, connections, milliseconds."""
COLUMNS = ["requestId", "requestTime", "eventType", "routeKey", "connectionId", "connectedAt"]
CHUNK = 200_000


def ours(_: str, path: Path) -> Answer:
    """`cost actual --from logs=PATH`, without the program around it."""
    from whatschat_ops.usage.logs.reading import LogSources, measure_logs

    found = measure_logs(LogSources((str(path),)))
    messages, connections = found.get("inbound_messages"), found.get("connections")
    minutes = found.get("websocket_connection_minutes")
    assert messages is not None
    assert connections is not None
    assert minutes is not None
    return int(messages.low), int(connections.low), round(minutes.low * 60_000)


def loop(form: str, path: Path) -> Answer:
    """A loop, as people write it."""
    seen: set[str] = set()
    routes: Counter[str] = Counter()
    spans: dict[str, int] = {}
    with gzip.open(path, "rt") if form == "gz" else path.open(encoding="utf-8") as lines:
        for text in lines:
            line = json.loads(text)
            if line["requestId"] in seen:
                continue
            seen.add(line["requestId"])
            if line["eventType"] == "MESSAGE":
                routes[line["routeKey"]] += 1
            elif line["eventType"] == "DISCONNECT":
                spans[line["connectionId"]] = int(line["requestTime"]) - int(line["connectedAt"])
    return sum(routes.values()), len(spans), sum(spans.values())


def pandas(form: str, path: Path) -> Answer:
    """JSON in chunks, of which only the columns that are needed are kept: all of it at once takes ten times the file."""
    import pandas as pd

    if form == "parquet":
        return _of_numbers_pandas(pd.concat(_parquet_parts(path), ignore_index=True))
    chunks = pd.read_json(
        path, lines=True, chunksize=CHUNK, dtype=False, convert_dates=False, compression="infer"
    )
    frame = pd.concat((chunk[COLUMNS] for chunk in chunks), ignore_index=True)
    frame = frame.drop_duplicates("requestId")
    routes = frame[frame["eventType"] == "MESSAGE"].groupby("routeKey").size()
    ended = frame[frame["eventType"] == "DISCONNECT"]
    spans = (ended["requestTime"].astype("int64") - ended["connectedAt"].astype("int64")).groupby(
        ended["connectionId"]
    )
    return int(routes.sum()), spans.ngroups, int(spans.max().sum())


def _parquet_parts(path: Path) -> Iterator[Any]:
    import pandas as pd

    for piece in sorted((path / "lines").glob("*.parquet")):
        yield pd.read_parquet(piece, columns=["event", "kind", "t_ms", "route", "connection", "connected_ms"])


def _of_numbers_pandas(frame: Any) -> Answer:
    frame = frame.drop_duplicates("event")
    routes = frame[frame["kind"] >= 5].groupby("route").size()
    ended = frame[frame["kind"] == 4]
    spans = (ended["t_ms"] - ended["connected_ms"]).groupby(ended["connection"])
    return int(routes.sum()), spans.ngroups, int(spans.max().sum())


def polars(form: str, path: Path) -> Answer:
    """Lazy, with the streaming engine."""
    import polars as pl

    if form == "parquet":
        lines = pl.scan_parquet(path / "lines" / "*.parquet").select(
            "event", "t_ms", "connected_ms", "connection", "route", is_message=pl.col("kind") >= 5, is_end=pl.col("kind") == 4
        )  # fmt: skip
    else:
        schema = dict.fromkeys(COLUMNS, pl.String)
        lines = pl.scan_ndjson(path, schema=schema).select(
            pl.col("requestId").alias("event"),
            pl.col("requestTime").cast(pl.Int64).alias("t_ms"),
            pl.col("connectedAt").cast(pl.Int64).alias("connected_ms"),
            pl.col("connectionId").alias("connection"),
            pl.col("routeKey").alias("route"),
            is_message=pl.col("eventType") == "MESSAGE",
            is_end=pl.col("eventType") == "DISCONNECT",
        )
    events = lines.unique("event", keep="any")
    routes = events.filter("is_message").group_by("route").len().select(pl.col("len").sum())
    spans = (
        events.filter("is_end").group_by("connection").agg((pl.col("t_ms") - pl.col("connected_ms")).max())
    )
    totals = spans.select(pl.len(), pl.col("t_ms").sum().alias("span"))
    counted, summed = pl.collect_all([routes, totals], engine="streaming")
    return int(counted.item()), int(summed["len"][0]), int(summed["span"][0])


TOOLS: dict[str, Callable[[str, Path], Answer]] = {
    "ours": ours,
    "polars": polars,
    "pandas": pandas,
    "loop": loop,
}


def main() -> None:
    """One tool, one file."""
    tool, form, path = sys.argv[1:]
    started_s, processor_s = time.perf_counter(), time.process_time()
    answer = TOOLS[tool](form, Path(path))
    print(
        json.dumps(
            {
                "answer": answer,
                "wall_s": time.perf_counter() - started_s,
                "processor_s": time.process_time() - processor_s,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
