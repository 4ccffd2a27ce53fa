"""Screens as SVG files that fetch nothing: Textual's own names a font on a server of others."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

from textual.app import App
from textual.pilot import Pilot

from whatschat_ops.files import write_whole


def write_svg(app: App[Any], path: Path, *, flag: str = "") -> None:
    """Write what is on the screen. Raises UsageError or OpsError when the file cannot be written."""
    drawn = app.export_screenshot(title=app.title, simplify=True)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    write_whole(path, "\n".join(line.rstrip() for line in svg.splitlines()) + "\n", flag=flag)


def save_first_screen(app: App[Any], path: Path, size: tuple[int, int], *, flag: str) -> None:
    """Draw the app without a terminal, on more lines than those of `size` if it needs them, and write that. Raises as `write_svg`."""

    async def save(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        if hidden_lines := max(widget.max_scroll_y for widget in app.query("*")):
            await pilot.resize_terminal(size[0], size[1] + hidden_lines)
            await pilot.pause()
        write_svg(app, path, flag=flag)
        app.exit()

    asyncio.run(app.run_async(headless=True, size=size, auto_pilot=save))
