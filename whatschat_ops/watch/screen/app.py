"""The view itself: tiles in one to three columns, keys, and what comes from a feed or a recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Final, Protocol

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import ItemGrid, VerticalScroll
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

from whatschat_ops.errors import PROGRAM, OpsError
from whatschat_ops.watch import tiles
from whatschat_ops.watch.player import Player
from whatschat_ops.watch.screen.command_screen import CommandScreen
from whatschat_ops.watch.screen.saving import write_svg
from whatschat_ops.watch.screen.tile_view import TileView
from whatschat_ops.watch.snapshot import Level, Snapshot, Tile
from whatschat_ops.watch.text import clock, printable

KEYS: Final = "q quit  0-9 open  n red  r read  s svg"
REPLAY_KEYS: Final = (
    "q quit  space pause  ←→ step  ↑↓ speed  PgUp PgDn 10 min  Home End  0-9 command  n red  s svg"
)
SCROLLS: Final = {
    "up": "scroll_up",
    "pageup": "page_up",
    "space": "page_down",
    "pagedown": "page_down",
    "home": "scroll_home",
    "end": "scroll_end",
}
JUMP: Final = timedelta(minutes=10)


class Commands(Protocol):
    """The command lines that look closer."""

    def words(self, tile: Tile, at: Snapshot) -> str:
        """As a person types it."""

    def argv(self, tile: Tile, at: Snapshot) -> list[str]:
        """As a process is started; empty: it must not run."""


class SnapshotRead(Message):
    """A snapshot came."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot


class Notice(Message):
    """Something that must be said beside the figures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class WatchApp(App[int]):
    """Shows snapshots. With a `player` they come from a recording, else `SnapshotRead` brings them; `refresh_feed` asks for one."""

    TITLE = f"{PROGRAM} watch"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-one"), (64, "-two"), (108, "-three")]  # noqa: RUF012 - as Textual declares it
    CSS = """
    Screen { layout: vertical; background: $background; }
    #head, #foot { height: 1; width: 100%; text-style: bold; padding: 0 1; background: $panel; }
    #foot { height: auto; text-style: none; color: $text-muted; }
    #tiles { height: 1fr; scrollbar-size-vertical: 1; }
    #grid { layout: grid; grid-gutter: 0 1; height: auto; grid-size: 3; grid-rows: auto; }
    .-three #tile-9 { column-span: 3; }
    .-two #grid { grid-size: 2; }
    .-one #grid { grid-size: 1; }
    TileView { border: round $foreground 40%; border-title-color: $foreground; padding: 0 1; }
    TileView.-warn { border: round $warning; }
    TileView.-bad { border: heavy $error; }
    TileView.-unknown { border: dashed $accent; }
    TileView:focus { border-title-style: reverse bold; background: $boost; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "leave", "Quit"),
        Binding("ctrl+c", "leave", "Quit", priority=True),
        *(Binding(str((number + 1) % 10), f"open({number})") for number in range(len(tiles.COMMANDS))),
        Binding("enter", "open_focused", "Open"),
        Binding("n", "next_red", "Next red"),
        Binding("s", "save", "Save"),
        Binding("r", "refresh_now", "Refresh"),
        *(
            Binding(key, f"move('{key}')", priority=True)
            for key in ("space", "left", "right", "up", "down", "pageup", "pagedown", "home", "end")
        ),
    ]

    def __init__(
        self,
        commands: Commands,
        player: Player | None = None,
        refresh_feed: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self._commands = commands
        self._player = player
        self._refresh_feed = refresh_feed
        self._timer: Timer | None = None
        self.snapshot: Snapshot | None = None

    def compose(self) -> ComposeResult:
        """A line, the tiles, a line."""
        yield Static("Reading", id="head", markup=False)
        with VerticalScroll(id="tiles", can_focus=False), ItemGrid(id="grid"):
            for number, name in enumerate(tiles.COMMANDS):
                yield TileView(number, tiles.blank(name))
        yield Static(REPLAY_KEYS if self._player else KEYS, id="foot", markup=False)

    def on_mount(self) -> None:
        """Start a replay."""
        if self._player is not None:
            self._play(self._player)

    def on_snapshot_read(self, message: SnapshotRead) -> None:
        """Show what a feed delivered."""
        self.show(message.snapshot)

    def on_notice(self, message: Notice) -> None:
        """Say it."""
        self.notify(message.text, severity="warning", timeout=30, markup=False)

    def show(self, snapshot: Snapshot) -> None:
        """Draw what differs from what is shown."""
        self.snapshot = snapshot
        marks = snapshot.marks
        for number, name in enumerate(tiles.COMMANDS):
            if (tile := snapshot.named(name)) is not None:
                self._view(number).show(tile, marks)
        self._head.update(self._title(snapshot))

    def _title(self, snapshot: Snapshot) -> str:
        parts = [clock(snapshot.at, seconds=True)]
        if (player := self._player) is not None:
            state = "end" if player.is_last else "paused" if player.paused else f"{player.speed}x"
            parts = [
                f"REPLAY {state} {player.place + 1}/{len(player.snapshots)}",
                f"{snapshot.at.astimezone():%Y-%m-%d %H:%M:%S}",
            ]
        red = [tile.name for tile in snapshot.tiles if tile.level is Level.BAD]
        unknown = sum(tile.level is Level.UNKNOWN for tile in snapshot.tiles)
        parts += [f"!! {', '.join(red)}"] if red else []
        parts += [f"{unknown} unknown"] if unknown else []
        return printable("  ".join([*parts, snapshot.stack, snapshot.region]))

    @property
    def _head(self) -> Static:
        return self.screen_stack[0].query_one("#head", Static)

    def _view(self, number: int) -> TileView:
        return self.screen_stack[0].query_one(f"#tile-{number}", TileView)

    # --- keys -----------------------------------------------------------------------------------------------------

    def action_leave(self) -> None:
        """End."""
        self.exit()

    def action_open(self, number: int) -> None:
        """Run the command that looks closer at a tile."""
        if self.snapshot is None or isinstance(self.screen, CommandScreen):
            return
        tile = self._view(number).tile
        argv = [] if self._player else self._commands.argv(tile, self.snapshot)
        self.push_screen(CommandScreen(self._commands.words(tile, self.snapshot), argv))

    def action_open_focused(self) -> None:
        """The same of the tile that has the focus."""
        if isinstance(self.focused, TileView):
            self.action_open(self.focused.number)

    def action_next_red(self) -> None:
        """Focus the next tile that is red, or unknown."""
        views = [self._view(number) for number in range(len(tiles.COMMANDS))]
        start = self.focused.number + 1 if isinstance(self.focused, TileView) else 0
        for view in (*views[start:], *views[:start]):
            if view.tile.level in (Level.BAD, Level.UNKNOWN):
                view.focus()
                return

    def action_save(self) -> None:
        """Save this screen as SVG in the working directory."""
        if self.snapshot is None:
            return
        path = Path(f"watch-{self.snapshot.at.astimezone():%Y%m%d-%H%M%S}.svg")
        try:
            write_svg(self, path)
        except OpsError as error:
            self.notify(error.message, severity="error", markup=False)
        else:
            self.notify(f"Saved {path}.", markup=False)

    def action_refresh_now(self) -> None:
        """Read everything now."""
        self._refresh_feed()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Over a command these keys move in what it prints."""
        del parameters
        return action != "move" or not isinstance(self.screen, CommandScreen)

    def action_move(self, key: str) -> None:
        """Move in the recording, where stepping pauses; without one, on the screen."""
        player = self._player
        if player is None:
            scroll = getattr(self.query_one("#tiles"), f"action_{SCROLLS.get(key, 'scroll_down')}")
            scroll()
            return
        stopped = replace(player, paused=True)
        moves: dict[str, Callable[[], Player]] = {
            "space": player.toggle,
            "right": lambda: stopped.step(1),
            "left": lambda: stopped.step(-1),
            "up": lambda: player.change_speed(1),
            "down": lambda: player.change_speed(-1),
            "pagedown": lambda: player.jump(JUMP),
            "pageup": lambda: player.jump(-JUMP),
            "home": lambda: player.step(-len(player.snapshots)),
            "end": lambda: player.step(len(player.snapshots)),
        }
        self._play(moves[key]())

    def _play(self, player: Player) -> None:
        """Show where the replay is, and go on when it is time."""
        self._player = player
        if self._timer is not None:
            self._timer.stop()
        self.show(player.now)
        wait_s = player.wait_s
        self._timer = None if wait_s is None else self.set_timer(wait_s, lambda: self._play(player.step(1)))
