"""`cost rates`: the prices that estimates use, by Region; and how they are read from AWS's price list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.choices import PriceSource
from whatschat_ops.cli.cost.cards import REGION
from whatschat_ops.cli.cost.options import PriceRegionOption, RatesOption
from whatschat_ops.cli.listing import LimitOption, SortOption, listed
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CardArgument = Annotated[str, typer.Argument(metavar="CARD", help="AWS Region, or a file that refresh wrote")]
RegionArgument = Annotated[str, typer.Argument(metavar="REGION", help="AWS Region")]


def list_cards(run: Run, sort: SortOption = None, limit: LimitOption = None) -> None:
    """List the Regions whose prices are known.

    Example: whatschat-ops cost rates list
    """
    from whatschat_ops.cli.cost.tables import render_cards
    from whatschat_ops.cost.cards import CardRow
    from whatschat_ops.pricing.rates import aws_card, card_files

    rows = []
    for region, path in sorted(card_files().items()):
        card = aws_card(region=region)
        rows.append(CardRow(region, card.title, card.as_of, len(card.rates), str(path)))
    run.out.result(listed(run.out, CardRow, rows, sort, limit), render_cards)


def show(run: Run, rates: RatesOption = None, price_region: PriceRegionOption = None) -> None:
    """Show the prices that estimates use.

    Shows the prices of the guide and of AWS, with the source and date of each.

    Example: whatschat-ops cost rates show --rates my-prices.yaml
    """
    from whatschat_ops.cli.cost.facts import stack_facts
    from whatschat_ops.cli.cost.tables import render_rates
    from whatschat_ops.cost.cards import rate_rows
    from whatschat_ops.pricing.rates import aws_card, guide_card

    card = aws_card(rates, price_region or stack_facts(run.settings).region)
    run.out.result(rate_rows(guide_card(), card), render_rates)


def diff(
    run: Run,
    first: CardArgument,
    second: CardArgument,
    rates: RatesOption = None,
) -> None:
    """Show which prices differ between two cards.

    A card is that of a Region, or a file, such as one that an earlier refresh wrote with --output. With --rates, the second one
    has the prices of that file.

    Example: whatschat-ops cost rates diff us-east-1 ap-northeast-2
    """
    from whatschat_ops.cli.cost.cards import card
    from whatschat_ops.cli.cost.tables import render_changes
    from whatschat_ops.cost.cards import rate_changes
    from whatschat_ops.pricing.rates import HOME_REGION

    found = rate_changes(card(first, None, HOME_REGION), card(second, rates, HOME_REGION))
    run.out.result(found, render_changes)


def refresh(
    run: Run,
    wanted: RegionArgument,
    origin: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FOLDER|URL",
            help="Read SERVICE.json files here, or the price list files of a mirror",
        ),
    ] = None,
    source: Annotated[
        PriceSource, typer.Option("--source", help="Read the public files, or the Query API of the account")
    ] = PriceSource.BULK,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write the card here [default: the state directory]"
        ),
    ] = None,
) -> None:
    """Read the prices of a Region from AWS.

    Reads AWS's public price list files; no account is needed. Each price gets its SKU, rate code, usage type and offer version. A
    price that the files do not have is not found: estimates then leave its line out of the total. `--source api` asks the Query
    API instead, for which the caller needs pricing:GetProducts.

    Example: whatschat-ops cost rates refresh ap-northeast-2
    """
    import yaml

    from whatschat_ops.files import write_whole
    from whatschat_ops.pricing.offer_files import document
    from whatschat_ops.pricing.offers import refreshed
    from whatschat_ops.pricing.rates import CARDS, HOME_REGION, read_card, refreshed_directory

    if not REGION.fullmatch(wanted):
        raise UsageError(f"{wanted} is not the code of an AWS Region, such as eu-west-1.")
    if origin is not None and source is PriceSource.API:
        raise UsageError("--from and --source api contradict each other.", hint="Leave one out.")
    shipped = read_card(CARDS / f"aws-{HOME_REGION}.yaml")
    found = refreshed(
        _asked(run, wanted) if source is PriceSource.API else _offers(wanted, origin), wanted, shipped
    )
    path = output or refreshed_directory() / f"aws-{wanted}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(document(found.card), sort_keys=False, allow_unicode=True)
    write_whole(path, text, flag="--output")
    run.out.result(found, lambda it: f"Wrote {len(it.card.rates)} prices of {wanted} to {path}.")
    if found.not_found:
        reasons = "; ".join(f"{rate} ({reason})" for rate, reason in found.not_found.items())
        run.out.warn(f"Not found in the price list: {reasons}.")


def _asked(run: Run, region: str) -> list[Mapping[str, Any]]:
    """The answers of the Query API."""
    from whatschat_ops.aws.price_list import QUERY_REGION, products
    from whatschat_ops.pricing.offer_files import offer_of
    from whatschat_ops.pricing.offers import SERVICES

    client = run.aws.client("pricing", region=QUERY_REGION)
    found = (offer_of(service, products(client, service, region)) for service in SERVICES)
    return [offer for offer in found if offer is not None]


def _offers(region: str, origin: str | None) -> list[Mapping[str, Any]]:
    """The price list files: those of a folder, else downloaded. A service that has none in the Region is left out."""
    from whatschat_ops.pricing.offers import PRICE_LIST

    if origin is None or origin.startswith(("https://", "http://")):
        return _downloaded(region, (origin or PRICE_LIST).rstrip("/"))
    return _in_folder(Path(origin))


def _downloaded(region: str, base: str) -> list[Mapping[str, Any]]:
    from whatschat_ops.aws.price_list import files
    from whatschat_ops.pricing.offer_files import read_offer
    from whatschat_ops.pricing.offers import SERVICES

    return [read_offer(data, service) for service, data in files(base, SERVICES, region)]


def _in_folder(folder: Path) -> list[Mapping[str, Any]]:
    from whatschat_ops.errors import Missing
    from whatschat_ops.files import read_bytes
    from whatschat_ops.pricing.offer_files import read_offer
    from whatschat_ops.pricing.offers import SERVICES

    files = [folder / f"{service}.json" for service in SERVICES]
    present = [path for path in files if path.is_file()]
    if not present:
        raise Missing(
            f"{folder} has no price list file: none of {', '.join(path.name for path in files[:7])} and others."
        )
    return [read_offer(read_bytes(path, flag="--from"), path.name) for path in present]
