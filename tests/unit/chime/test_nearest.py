"""The nearest media Region: a real HTTP server answers, or does not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.ports import free_port
from whatschat_ops.chime.nearest import nearest_media_region
from whatschat_ops.errors import Unavailable


class Answering(BaseHTTPRequestHandler):
    """Answers with the path's text, and with status 503 to the path /down."""

    def do_GET(self) -> None:
        body = {"/region": b'{"region": "eu-west-3"}', "/mars": b'{"region": "mars-1"}', "/text": b"<html>"}
        self.send_response(503 if self.path == "/down" else 200)
        self.end_headers()
        self.wfile.write(body.get(self.path, b"[]"))

    def log_message(self, *_: object) -> None:
        """Not in the output of tests."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_nearest_region_is_the_one_of_the_answer(url: str) -> None:
    assert nearest_media_region(f"{url}/region") == "eu-west-3"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/mars", "answers 'mars-1', which is no media Region"),
        ("/text", "does not answer with a Region"),
        ("/list", "does not answer with a Region"),
        ("/down", "does not answer: HTTP Error 503"),
    ],
)
def test_other_answers_are_errors_that_name_an_option_that_works(url: str, path: str, why: str) -> None:
    with pytest.raises(Unavailable, match=why) as error:
        nearest_media_region(f"{url}{path}")
    assert "--media-region eu-central-1" in str(error.value.hint)


def test_server_that_is_not_reached_is_an_error() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        nearest_media_region(f"http://127.0.0.1:{free_port()}")
