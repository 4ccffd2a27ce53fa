"""A report as one HTML file without external resources; dark or light as the reader's system. Pure; every text is escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --ground: #ffffff; --card: #f5f6f8; --ink: #1b1f24; --soft: #57606a; --grid: #d8dee4;
  --c1: #0b63c5; --c2: #b45309; --c3: #a0247a; --c4: #0f766e; --warn: #9a3412; }
@media (prefers-color-scheme: dark) { :root { --ground: #0f1318; --card: #191f27; --ink: #e6e9ed; --soft: #9aa4af; --grid: #323b46;
  --c1: #6cb2ff; --c2: #f5a742; --c3: #ee7fc8; --c4: #4fd1c0; --warn: #fdba74; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 20px 48px; max-width: 1180px; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 32px 0 12px; }
p { margin: 4px 0; } .soft, .label { color: var(--soft); fill: var(--soft); } code { font: 13px/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
.warn { color: var(--warn); font-weight: 600; margin: 12px 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px; margin-top: 20px; }
.figures div { background: var(--card); border-radius: 8px; padding: 12px 14px; } .figures b { display: block; font-size: 20px; line-height: 1.3; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(480px, 100%), 1fr)); gap: 16px; margin-top: 16px; }
figure { margin: 0; background: var(--card); border-radius: 8px; padding: 12px 14px; } figcaption { font-weight: 600; margin-bottom: 4px; }
svg { display: block; width: 100%; height: auto; } .label { font: 11px system-ui, sans-serif; } .grid { stroke: var(--grid); stroke-width: 1; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.c1 { stroke: var(--c1); } .c2 { stroke: var(--c2); } .c3 { stroke: var(--c3); } .c4 { stroke: var(--c4); }
.fill { stroke: none; } .fill.c1, .key.c1 { fill: var(--c1); background: var(--c1); } .fill.c2, .key.c2 { fill: var(--c2); background: var(--c2); }
.fill.c3, .key.c3 { fill: var(--c3); background: var(--c3); } .fill.c4, .key.c4 { fill: var(--c4); background: var(--c4); }
.legend { display: flex; gap: 16px; flex-wrap: wrap; font-size: 13px; color: var(--soft); } .key { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; vertical-align: -1px; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 5px 10px; border-bottom: 1px solid var(--grid); white-space: nowrap; } th:first-child, td:first-child { text-align: left; } tbody th { font-weight: 400; } caption { text-align: left; color: var(--soft); padding: 4px 10px; }
"""


def document(title: str, body: Iterable[str], *, style: str = "", script: str = "") -> str:
    """The whole file. `body` is HTML. `script` is the only one that runs; without one, none does."""
    # Even if a text got through unescaped, nothing would be loaded or run.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    runs = f"; script-src 'sha256-{digest}'" if script else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" '
        f"content=\"default-src 'none'; style-src 'unsafe-inline'{runs}\">"
        f"<title>{escape(title)}</title><style>{STYLE}{style}</style></head>\n"
        f"<body>{''.join(body)}{f'<script>{script}</script>' if script else ''}</body></html>\n"
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "") -> str:
    """A table; the first cell of each row is its heading."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    named = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll"><table>{named}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def figures(values: Iterable[tuple[str, str]]) -> str:
    """Large figures, each with what it is."""
    cells = "".join(f"<div><b>{escape(value)}</b>{escape(name)}</div>" for value, name in values)
    return f'<div class="figures">{cells}</div>'
