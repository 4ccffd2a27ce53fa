"""`cost rates refresh` end to end: price list files and the Query API over loopback, as AWS serves them, and as it must not."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.unit.pricing.offer_files import INVENTED, offers
from whatschat_ops.aws.price_list import files
from whatschat_ops.cli.main import main
from whatschat_ops.cost.cards import rate_changes
from whatschat_ops.errors import Unavailable, Unusable
from whatschat_ops.pricing.offer_files import offer_of
from whatschat_ops.pricing.offers import refreshed
from whatschat_ops.pricing.pricing import FreeTiers, charge
from whatschat_ops.pricing.rates import aws_card, read_card

Capture = pytest.CaptureFixture[str]
Answer = Callable[[BaseHTTPRequestHandler], None]
SHIPPED = aws_card()


class PriceList(ThreadingHTTPServer):
    """Serves `answers` (path -> answer); anything else is not found. `asked`: the paths, in order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/offers/v1.0/aws"

    def publish(self, made: list[dict[str, Any]], region: str) -> None:
        """The files of a Region."""
        for offer in made:
            self.answers[f"/offers/v1.0/aws/{offer['offerCode']}/current/{region}/index.json"] = whole(
                json.dumps(offer).encode()
            )


class _Handler(BaseHTTPRequestHandler):
    server: PriceList

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.answers.get(self.path, not_found)(self)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


def reply(status: int, body: bytes, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def whole(body: bytes) -> Answer:
    """As S3 answers: with an ETag, which of a small file is its MD5."""
    return reply(200, body, ETag=f'"{hashlib.md5(body).hexdigest()}"', Content_Type="application/json")


not_found = reply(404, b"<Error><Code>NoSuchKey</Code></Error>")


@pytest.fixture(scope="module")
def started() -> Iterator[PriceList]:
    server = PriceList()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server(started: PriceList, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PriceList:
    """Without files; the state directory and the working directory are empty."""
    started.answers.clear()
    started.asked.clear()
    monkeypatch.setenv("WHATSCHAT_OPS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return started


def refresh(server: PriceList, region: str, *more: str) -> int:
    return main(["cost", "rates", "refresh", region, "--from", server.url, *more])


def test_us_east_1_refreshed_from_files_has_todays_prices_with_skus(
    server: PriceList, tmp_path: Path
) -> None:
    server.publish(offers("us-east-1"), "us-east-1")
    assert refresh(server, "us-east-1") == 0
    card = read_card(tmp_path / "state" / "rates" / "aws-us-east-1.yaml")
    assert {change.rate for change in rate_changes(SHIPPED, card)} == {
        "chime_audio", "chime_video", "dashboards", "logs_live_tail",
    }  # fmt: skip
    assert {len(tier.rate_code.split(".")) for rate in card.rates.values() for tier in rate.tiers} == {3}
    logs = card.rates["logs_ingested_lambda"]
    assert charge(Decimal(60_000), logs, free_tiers=FreeTiers.NONE).cost == 12_500
    usage_types = {key: rate.usage_type for key, rate in card.rates.items()}
    assert usage_types["websocket_messages"] == "USE1-ApiGatewayMessage"
    assert usage_types["kms_requests"] == "us-east-1-KMS-Requests"
    assert card.offers["AmazonApiGateway"] == "20260930120000"


@pytest.mark.parametrize("region", sorted(INVENTED))
def test_another_region_has_only_its_own_prices(server: PriceList, region: str) -> None:
    server.publish(offers(region), region)
    assert refresh(server, region) == 0
    card = aws_card(region=region)
    differing = {change.rate for change in rate_changes(SHIPPED, card) if change.b is not None}
    assert differing == ({"websocket_messages"} if region == "ap-northeast-2" else {"lambda_requests"})
    assert all(f"/{region}/" in rate.source for rate in card.rates.values())


def test_a_card_that_was_written_elsewhere_is_whole_and_takes_no_price_from_another_region(
    server: PriceList, capsys: Capture
) -> None:
    server.publish(offers("ap-northeast-2"), "ap-northeast-2")
    assert refresh(server, "ap-northeast-2", "--output", "seoul.yaml") == 0
    capsys.readouterr()
    estimate = ["cost", "estimate", "--messages", "1.1B", "--audio-minutes", "5", "--no-free-tier", "--json"]
    for given in (["--card", "seoul.yaml"], ["--rates", "seoul.yaml", "--region", "ap-northeast-2"]):
        assert main([*estimate, *given]) == 0
        lines = {
            line["item"]: line["charges"]["AWS"] for line in json.loads(capsys.readouterr().out)["lines"]
        }
        assert lines["Messages"]["charge"]["cost"] == "1234"
        assert lines["Audio"]["state"] == "not found"
    assert main(["cost", "rates", "diff", "us-east-1", "seoul.yaml", "--json"]) == 0
    changes = {row["rate"]: row["b"] for row in json.loads(capsys.readouterr().out)}
    assert changes["websocket_messages"] is not None and changes["chime_audio"] is None


def test_a_service_without_a_file_in_a_region_leaves_its_prices_out(
    server: PriceList, capsys: Capture
) -> None:
    made = [offer for offer in offers("eu-central-1") if offer["offerCode"] != "AmazonStates"]
    server.publish(made, "eu-central-1")
    assert refresh(server, "eu-central-1") == 0
    assert (
        "step_functions_transitions (no product with the usage type StateTransition)"
        in capsys.readouterr().err
    )
    assert "step_functions_transitions" not in aws_card(region="eu-central-1").rates


def test_a_region_without_any_file_keeps_the_card_that_is_there(server: PriceList, capsys: Capture) -> None:
    server.publish(offers("us-east-1"), "us-east-1")
    refresh(server, "us-east-1")
    before = aws_card()
    server.answers.clear()
    assert refresh(server, "us-east-1") == 1
    assert "no price of this stack in us-east-1" in capsys.readouterr().err
    assert aws_card() == before


def test_a_redirect_is_followed(server: PriceList) -> None:
    server.answers["/moved/Lambda/current/r/index.json"] = reply(302, b"", Location="/there")
    server.answers["/there"] = whole(b"{}")
    assert list(files(server.url.replace("/offers/v1.0/aws", "/moved"), ["Lambda"], "r")) == [
        ("Lambda", b"{}")
    ]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (reply(200, b"{}", Content_Length="3"), r"cannot be read: (2 of 3 bytes arrived|IncompleteRead)"),
        (reply(403, b"<Error/>"), "cannot be read: Forbidden"),
        (reply(503, b""), "cannot be read: Service Unavailable"),
        (reply(302, b"", Location="ftp://127.0.0.1/x"), "cannot be read"),
        (reply(302, b"", Location="/offers/v1.0/aws/X/current/r/index.json"), "cannot be read: .*redirect"),
        (reply(200, b"{}", Content_Length="99999999999"), "cannot be read"),
    ],
    ids=["truncated", "forbidden", "unavailable", "redirect to FTP", "redirect in a circle", "shorter than said"],
)  # fmt: skip
def test_a_file_that_does_not_arrive_whole_is_refused(server: PriceList, answer: Answer, reason: str) -> None:
    def closing(request: BaseHTTPRequestHandler) -> None:
        answer(request)
        request.close_connection = True

    server.answers["/offers/v1.0/aws/X/current/r/index.json"] = closing
    with pytest.raises(Unavailable, match=f"(?is){reason}"):
        list(files(server.url, ["X"], "r"))


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"", b"[]", b"{}", b"[" * 100_000, b"\xff\xfe"])
def test_garbage_writes_no_card(server: PriceList, tmp_path: Path, body: bytes, capsys: Capture) -> None:
    server.publish(offers("us-east-1"), "us-east-1")
    server.answers["/offers/v1.0/aws/AWSLambda/current/us-east-1/index.json"] = whole(body)
    assert refresh(server, "us-east-1") == 1
    assert "AWSLambda is not a price list file of AWS" in capsys.readouterr().err
    assert not (tmp_path / "state" / "rates").exists()


def chime(usage_type: str, description: str, price: str = "0.0017") -> dict[str, Any]:
    """A file with an invented product: no public source names the real one."""
    offer = offers("us-east-1")[0]
    offer["offerCode"] = "AmazonChimeServices"
    offer["products"] = {
        "INVENTED": {"attributes": {"regionCode": "us-east-1", "usagetype": usage_type, "operation": "x"}}
    }
    dimension = {
        "beginRange": "0",
        "endRange": "Inf",
        "pricePerUnit": {"USD": price},
        "description": description,
    }
    offer["terms"]["OnDemand"] = {
        "INVENTED": {"INVENTED.T": {"priceDimensions": {"INVENTED.T.R": dimension}}}
    }
    return offer


def test_the_attendee_minute_is_discovered_by_its_description_and_its_usage_type_kept() -> None:
    offer = chime("USE1-INVENTED-Minutes", "$0.0017 per attendee-minute of a meeting")
    card = refreshed([offer], "us-east-1", SHIPPED).card
    assert set(card.rates) == {"chime_audio", "chime_video"}
    assert card.rates["chime_audio"].usage_type == "USE1-INVENTED-Minutes"
    assert card.rates["chime_audio"].tiers[0].price == Decimal("0.0017")


def test_other_minutes_of_chime_are_not_taken_for_it() -> None:
    for description in (
        "$0.01 per HD attendee-minute",
        "$0.004 per minute of a call",
        "per replica attendee minute",
    ):
        with pytest.raises(Unusable, match="no price of this stack"):
            refreshed([chime("USE1-INVENTED", description)], "us-east-1", SHIPPED)


def test_two_different_attendee_minutes_are_not_found() -> None:
    first, second = chime("A", "per attendee-minute"), chime("B", "per attendee-minute", "0.9")
    second["offerCode"] = "AmazonChime"
    found = refreshed([*offers("us-east-1"), first, second], "us-east-1", SHIPPED)
    assert found.not_found["chime_audio"] == "2 products with the attendee-minute: INVENTED, INVENTED"


def as_documents(offer: dict[str, Any]) -> list[str]:
    """The products of a file as the Query API answers them: each a JSON document in a string."""
    return [
        json.dumps(
            {
                "product": product,
                "serviceCode": offer["offerCode"],
                "terms": {"OnDemand": offer["terms"]["OnDemand"][sku]},
                "version": offer["version"],
                "publicationDate": offer["publicationDate"],
            }
        )
        for sku, product in offer["products"].items()
    ]


def query_api(made: list[dict[str, Any]], asked: list[dict[str, Any]]) -> Answer:
    """GetProducts with two products a page."""
    documents = {offer["offerCode"]: as_documents(offer) for offer in made}

    def answer(request: BaseHTTPRequestHandler) -> None:
        given = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        asked.append(given)
        found, start = documents.get(given["ServiceCode"], []), int(given.get("NextToken", 0))
        page: dict[str, Any] = {"FormatVersion": "aws_v1", "PriceList": found[start : start + 2]}
        if start + 2 < len(found):
            page["NextToken"] = str(start + 2)
        reply(200, json.dumps(page).encode(), Content_Type="application/x-amz-json-1.1")(request)

    return answer


def test_the_query_api_gives_the_card_that_the_files_give(
    server: PriceList, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_ENDPOINT_URL_PRICING": server.url.removesuffix("/offers/v1.0/aws"),
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "own.yaml").write_text("environment: own\naws: {region: eu-west-1}\n", encoding="utf-8")
    asked: list[dict[str, Any]] = []
    server.answers["/"] = query_api(offers("us-east-1"), asked)
    assert main(["cost", "rates", "refresh", "us-east-1", "--config", "own.yaml", "--source", "api"]) == 0
    asked_card = aws_card()
    server.publish(offers("us-east-1"), "us-east-1")
    assert refresh(server, "us-east-1") == 0
    assert rate_changes(asked_card, aws_card()) == []
    assert asked_card.offers == aws_card().offers
    assert "GetProducts ServiceCode=AWSLambda" in asked_card.rates["lambda_requests"].source
    transfer = next(each for each in asked if each["ServiceCode"] == "AWSDataTransfer")
    assert transfer["Filters"] == [{"Type": "TERM_MATCH", "Field": "fromRegionCode", "Value": "us-east-1"}]


@pytest.mark.parametrize("document", ["{", "{}", "[]", '{"product": {"sku": "A"}, "terms": []}'])
def test_a_product_of_the_query_api_that_cannot_be_read_is_refused(document: str) -> None:
    with pytest.raises(Unusable, match="has a product of AWSLambda that cannot be read"):
        offer_of("AWSLambda", [document])


def test_files_and_the_query_api_together_are_refused(server: PriceList, capsys: Capture) -> None:
    assert refresh(server, "us-east-1", "--source", "api") == 2
    assert "contradict each other" in capsys.readouterr().err
    assert server.asked == []
