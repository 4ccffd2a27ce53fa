"""The cohorts: the published vectors in Python and SQL, and that shares are sticky and monotone."""

from __future__ import annotations

import hashlib
import json
import runpy
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as some

from whatschat_ops.migration.cohort import Service, bucket, in_cohort

READER: Final = Path(__file__).parents[3] / "docs" / "reader"
VECTORS: Final[list[dict[str, Any]]] = json.loads((READER / "cohort-vectors.json").read_text())["vectors"]
ATHENA_IN_DUCKDB: Final = "CREATE MACRO from_base(digits, base) AS CAST('0x' || digits AS BIGINT)"
"""DuckDB has no such function; the other names are translated by sqlglot."""


def test_the_published_vectors_are_those_of_this_code(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(READER / "make_vectors.py"), run_name="__main__")
    assert capsys.readouterr().out == (READER / "cohort-vectors.json").read_text()


def test_the_vectors_follow_from_their_digests_by_the_rule() -> None:
    for vector in VECTORS:
        text = f"{vector['stack']}\n{vector['service']}\n{vector['user']}".encode("utf-16", "surrogatepass")
        digest = hashlib.sha256(text.decode("utf-16", "replace").encode()).hexdigest()
        assert digest == vector["sha256"]
        assert int(vector["sha256"][:8], 16) * 100 // 2**32 == vector["bucket"]


def test_the_vectors_have_ids_that_are_empty_long_and_not_ascii() -> None:
    users = {vector["user"] for vector in VECTORS}
    assert "" in users
    assert any(len(user) > 1_000 for user in users)
    assert sum(not user.isascii() for user in users) >= 10


def test_python_gives_the_buckets_of_the_vectors() -> None:
    for vector in VECTORS:
        found = bucket(vector["stack"], Service(vector["service"]), vector["user"])
        assert found == vector["bucket"], ascii(vector["user"])


@pytest.mark.parametrize("dialect", ["athena", "duckdb"])
@pytest.mark.parametrize("service", Service)
def test_sql_gives_the_buckets_of_the_vectors(dialect: str, service: Service) -> None:
    vectors = {
        vector["user"]: vector["bucket"]
        for vector in VECTORS
        if (vector["stack"], vector["service"]) == ("whatschat-production", service)
        and vector["user"].isprintable() | vector["user"].isspace()  # SQL's text has no lone surrogates
    }
    text = (READER / f"cohort.{dialect}.sql").read_text().replace("'chime'", f"'{service}'")
    statement = sqlglot.transpile(text, read="athena", write="duckdb")[0] if dialect == "athena" else text
    with duckdb.connect() as database:
        database.execute(ATHENA_IN_DUCKDB)
        database.execute("CREATE TABLE users (user_id VARCHAR)")
        database.executemany("INSERT INTO users VALUES (?)", [[user] for user in vectors])
        assert dict(database.execute(statement).fetchall()) == vectors
    assert len(vectors) > 25


@given(some.text(), some.sampled_from(Service), some.integers(0, 100), some.integers(0, 100))
def test_a_larger_share_contains_a_smaller_one(user: str, service: Service, one: int, other: int) -> None:
    smaller, larger = sorted((one, other))
    was_in = in_cohort("whatschat-local", service, user, share=smaller)
    assert was_in <= in_cohort("whatschat-local", service, user, share=larger)
    assert not in_cohort("whatschat-local", service, user, share=0)
    assert in_cohort("whatschat-local", service, user, share=100)


def test_the_cohort_of_a_share_is_about_that_share_and_other_for_each_service() -> None:
    users = [f"user-{number}" for number in range(10_000)]
    of = {
        service: {user for user in users if in_cohort("whatschat-local", service, user, share=10)}
        for service in Service
    }
    assert all(900 <= len(found) <= 1_100 for found in of.values())
    assert 50 <= len(of[Service.CHIME] & of[Service.WEBSOCKET]) <= 150
