"""The screen of `watch` in process: what it shows at each size, and what each key does."""

from __future__ import annotations

import asyncio
import html
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot
from textual.widgets import RichLog

from tests.unit.watch.snapshots import FINE, LOST, NIGHT, RED, changed
from whatschat_ops.watch import tiles
from whatschat_ops.watch.player import Player
from whatschat_ops.watch.screen.app import Notice, SnapshotRead, WatchApp
from whatschat_ops.watch.screen.command_screen import CommandScreen
from whatschat_ops.watch.screen.saving import save_first_screen
from whatschat_ops.watch.screen.tile_view import TileView
from whatschat_ops.watch.snapshot import Snapshot, Tile

Steps = Callable[[Pilot[int]], Awaitable[None]]
ERRORS = list(tiles.COMMANDS).index(tiles.ERRORS)


@dataclass
class Echoing:
    """Command lines that print their own words."""

    opened: list[tuple[str, ...]] = field(default_factory=list)

    def words(self, tile: Tile, at: Snapshot) -> str:
        return f"whatschat-ops {' '.join(tile.command)}"

    def argv(self, tile: Tile, at: Snapshot) -> list[str]:
        self.opened.append(tile.command)
        return [sys.executable, "-c", f"print('looked at {tile.name}')"]


def use(app: WatchApp, steps: Steps, size: tuple[int, int] = (120, 45)) -> None:
    async def main() -> None:
        async with app.run_test(size=size, notifications=True) as pilot:
            await pilot.pause()
            await steps(pilot)

    asyncio.run(main())


async def read(pilot: Pilot[int], snapshot: Snapshot) -> None:
    pilot.app.post_message(SnapshotRead(snapshot))
    await pilot.pause()


def screen(pilot: Pilot[int]) -> list[str]:
    """The lines of the screen."""
    svg = pilot.app.export_screenshot(simplify=True)
    rows: dict[float, str] = {}
    for y, text in re.findall(r'<text class="(?!\S*-title)[^>]*?y="([\d.]+)"[^>]*>(.*?)</text>', svg):
        rows[float(y)] = rows.get(float(y), "") + html.unescape(text).replace("\xa0", " ")
    return [rows[y] for y in sorted(rows)]


def shown(pilot: Pilot[int]) -> str:
    return "\n".join(screen(pilot))


def head(pilot: Pilot[int]) -> str:
    return screen(pilot)[0]


def columns(pilot: Pilot[int]) -> int:
    views = pilot.app.query(TileView)
    return len({view.region.x for view in views})


def test_tiles_stand_in_as_many_columns_as_fit_after_each_resize() -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await read(pilot, FINE)
        assert [name for name in tiles.COMMANDS if f" {name} " not in shown(pilot)] == []  # in 40 lines
        for width, wanted in ((40, 1), (80, 2), (200, 3), (20, 1)):
            await pilot.resize_terminal(width, 24)
            await pilot.pause()
            assert columns(pilot) == wanted
            assert "12 open" in shown(pilot)
            assert "q quit" in shown(pilot)
            assert all(len(line) <= width for line in screen(pilot))

    use(WatchApp(Echoing()), steps, (120, 40))


@pytest.mark.parametrize("width", [40, 80, 120])
def test_every_line_and_every_key_is_shown_at_each_width(width: int, tmp_path: Path) -> None:
    lines = tuple(
        f"line {number} of the reasons why this tile is as it is, word for word" for number in range(6)
    )
    full = replace(FINE, tiles=tuple(replace(tile, lines=lines) for tile in FINE.tiles))
    path = tmp_path / "full.svg"
    save_first_screen(WatchApp(Echoing(), Player((full,))), path, (width, 38), flag="--svg")
    words = html.unescape(path.read_text(encoding="utf-8")).replace("\xa0", " ")
    assert [words.count(f"line {number} of the") for number in range(6)] == [len(full.tiles)] * 6
    assert all(key in words for key in ("PgUp", "n red", "s svg"))


def test_nothing_is_drawn_again_for_figures_that_stay() -> None:
    async def steps(pilot: Pilot[int]) -> None:
        drawn: list[str] = []
        await read(pilot, FINE)
        for view in pilot.app.query(TileView):
            view.refresh = lambda *args, name=view.tile.name, **options: drawn.append(name)  # type: ignore[method-assign,assignment]
        await read(pilot, changed(FINE, 1))
        assert drawn == []
        await read(pilot, RED)
        assert set(drawn) == {tiles.ERRORS}

    use(WatchApp(Echoing()), steps)


def test_red_and_unknown_figures_are_named_and_signed_beside_their_colour() -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await read(pilot, RED)
        assert "!! Errors" in head(pilot)
        assert "40 in 5 min !!" in shown(pilot)
        await read(pilot, LOST)
        assert "1 unknown" in head(pilot)
        assert "unknown ?" in shown(pilot)
        assert "GetMetricData: Could not connect" in shown(pilot)
        await read(pilot, FINE)
        assert "!!" not in shown(pilot)
        assert shown(pilot).count("▲") == 4  # the deploy, under every chart
        assert "02:30 lambda deploy" in shown(pilot)

    use(WatchApp(Echoing()), steps)


def test_number_of_a_red_figure_runs_its_command_and_escape_leads_back() -> None:
    commands = Echoing()

    async def steps(pilot: Pilot[int]) -> None:
        await read(pilot, RED)
        await pilot.press("3")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert commands.opened == [("logs", "tail", "--since", "15m")]
        log = pilot.app.screen.query_one(RichLog)
        assert [line.text for line in log.lines] == ["looked at Errors", "Exit code 0."]
        await pilot.press("3")  # is a key of the view, which does not show
        assert len(commands.opened) == 1
        await read(pilot, changed(RED, 1, connections=Tile(tiles.CONNECTIONS, value=77.0)))
        await pilot.press("escape")
        assert "77" in shown(pilot)

    use(WatchApp(commands), steps)


def test_n_goes_to_the_next_red_figure_and_enter_opens_it() -> None:
    commands = Echoing()
    drift = Tile(tiles.DRIFT, value=1.0, level=RED.tiles[ERRORS].level, command=tiles.COMMANDS[tiles.DRIFT])

    async def steps(pilot: Pilot[int]) -> None:
        await read(pilot, changed(RED, 1, drift=drift))
        focused = []
        for _ in range(3):
            await pilot.press("n")
            assert isinstance(pilot.app.focused, TileView)
            focused.append(pilot.app.focused.tile.name)
        assert focused == [tiles.ERRORS, tiles.DRIFT, tiles.ERRORS]
        await pilot.press("n", "enter")
        await pilot.app.workers.wait_for_complete()
        assert commands.opened == [("doctor", "stack")]

    use(WatchApp(commands), steps)


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_view_ends_well_with_either_key(key: str) -> None:
    app = WatchApp(Echoing())

    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press(key)

    use(app, steps)
    assert app.return_code == 0


def test_s_saves_the_screen_and_r_asks_for_a_new_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked: list[bool] = []

    async def steps(pilot: Pilot[int]) -> None:
        await read(pilot, FINE)
        await pilot.press("s")
        (saved,) = tmp_path.glob("watch-*.svg")
        assert "Connections" in saved.read_text(encoding="utf-8")
        tmp_path.joinpath(saved.name).unlink()
        tmp_path.joinpath(saved.name).mkdir()
        await pilot.press("s")  # cannot be written: said, and the view goes on
        pilot.app.post_message(Notice("Not recorded: [b]disk[/b] full."))
        await pilot.press("r")
        notices = list(pilot.app._notifications)
        assert [notice.severity for notice in notices] == ["information", "error", "warning"]
        assert not any(notice.markup for notice in notices)
        assert asked == [True]

    use(WatchApp(Echoing(), refresh_feed=lambda: asked.append(True)), steps)


def test_replay_moves_as_the_keys_say_and_pauses_at_each_step() -> None:
    async def steps(pilot: Pilot[int]) -> None:
        places = []
        for key in ("right", "right", "left", "pagedown", "end", "pageup", "home"):
            await pilot.press(key)
            places.append(re.search(r"(\d+)/30", head(pilot))[1])  # type: ignore[index]
        assert places == ["2", "3", "2", "12", "30", "20", "1"]
        assert "REPLAY paused 1/30" in head(pilot)
        await pilot.press("right")
        assert "!! Errors" in head(pilot)

    use(WatchApp(Echoing(), Player(NIGHT, paused=True)), steps)


def test_replay_goes_on_by_itself_at_the_speed_that_is_shown() -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("up", "up", "down")
        assert app.snapshot is not None
        await pilot.press("space")
        for _ in range(6_000):
            if "REPLAY end" in head(pilot):
                break
            assert "REPLAY 300x" in head(pilot)
            await pilot.pause(0.01)
        assert "3/3" in head(pilot)

    app = WatchApp(Echoing(), Player(NIGHT[:3], paused=True))
    use(app, steps)


def test_replay_shows_what_to_type_and_runs_nothing() -> None:
    commands = Echoing()

    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("3")
        assert isinstance(pilot.app.screen, CommandScreen)
        await pilot.pause()
        assert "whatschat-ops logs tail --since 15m" in shown(pilot)
        assert commands.opened == []

    use(WatchApp(commands, Player(NIGHT, paused=True)), steps)


def test_screen_is_saved_without_a_terminal_and_fetches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "red.svg"
    save_first_screen(WatchApp(Echoing(), Player((RED,))), path, (120, 40), flag="--svg")
    svg = path.read_text(encoding="utf-8")
    assert "REPLAY" in svg
    assert re.findall(r'(?:url\(|href=)["\']?http', svg) == []
