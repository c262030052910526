"""One list of blocks, written out as HTML and as Markdown. Text is plain; both escape it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import TypeAlias

from nasbench.report.figures import DPI


@dataclass(frozen=True)
class Heading:
    """A title: level 1 is the page's."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph, or a warning that is set apart from the rest."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Points:
    """A list of remarks."""

    items: Sequence[str]


@dataclass(frozen=True)
class Grid:
    """A table. The first `texts` columns hold words, the others numbers.

    A line end in a cell stays one. A row whose first cell is empty belongs to the one above.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    texts: int = 1


@dataclass(frozen=True)
class Picture:
    """A figure: the name of its file, the file itself, what it is, and what is to be seen."""

    file: str
    png: bytes
    name: str
    caption: str


Block: TypeAlias = Heading | Text | Points | Grid | Picture

STYLE = """
:root { color-scheme: light; --ink: #1c2430; --faint: #5b6675; --line: #d8dee6; }
* { box-sizing: border-box; }
body { margin: 2.5rem auto 4rem; max-width: 66rem; padding: 0 1.25rem; background: #fff;
  color: var(--ink); font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .75rem; }
h2 { font-size: 1.25rem; margin: 2.75rem 0 .75rem; padding-bottom: .3rem;
  border-bottom: 1px solid var(--line); }
p, ul { margin: .6rem 0; max-width: 48rem; }
li { margin: .2rem 0; }
.warning { padding: .6rem .9rem; border-left: 4px solid #d55e00; background: #fdf3ec; }
figure { margin: 1.5rem 0 2rem; overflow-x: auto; }
figcaption { margin: 0 0 .5rem; color: var(--faint); font-size: .87rem; max-width: 48rem; }
img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
img + figcaption { margin: .5rem 0 0; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums;
  border-top: 2px solid var(--ink); border-bottom: 2px solid var(--ink); }
th, td { padding: .22rem .6rem; text-align: right; vertical-align: top; white-space: nowrap; }
th { font-weight: 600; vertical-align: bottom; white-space: normal; }
thead th { border-bottom: 1px solid var(--ink); }
tr.first > * { border-top: 1px solid var(--line); }
tbody tr:first-child > * { border-top: 0; }
.word { text-align: left; }
.first td:first-child { font-weight: 600; }
td.word:not([rowspan]) { min-width: 13em; white-space: normal; overflow-wrap: anywhere; }
@page { margin: 14mm; }
@media print {
  body { margin: 0; max-width: none; padding: 0; font-size: 9pt; }
  figure { margin: 1rem 0; overflow: visible; }
  figcaption, table { font-size: 7.5pt; }
  th, td { padding: .15rem .35rem; }
  img { max-height: 85mm; width: auto; }
  h2, figcaption { break-after: avoid; }
  h2:has(+ .picture) { break-before: page; margin-top: 0; }
  .picture, .warning, figcaption, tr { break-inside: avoid; }
}
"""


def html(blocks: Iterable[Block], title: str) -> str:
    """Write one self-contained page: figures are inside it, and it asks for nothing else."""
    body = "\n".join(map(_html, blocks))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
{body}
</body>
</html>
"""


def markdown(blocks: Iterable[Block]) -> str:
    """Write the same in GitHub's Markdown; the figures are files beside it."""
    return "\n\n".join(map(_markdown, blocks)) + "\n"


def _html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{escape(text)}</h{level}>"
        case Text(text, warning):
            return f"<p{' class=warning' * warning}>{escape(text)}</p>"
        case Points(items):
            return "<ul>\n" + "\n".join(f"<li>{escape(item)}</li>" for item in items) + "\n</ul>"
        case Picture(_, png, name, caption):
            width = int.from_bytes(png[16:20]) * 96 // DPI
            source = f"data:image/png;base64,{b64encode(png).decode()}"
            return (
                f'<figure class=picture><img alt="{escape(name)}" width="{width}" src="{source}">'
                f"<figcaption>{escape(caption)}</figcaption></figure>"
            )
        case Grid(head, rows, caption):
            told = f"<figcaption>{escape(caption)}</figcaption>\n" if caption else ""
            top = f"<thead>{_html_row(block, 'th', head)}</thead>\n" if any(head) else ""
            body = "\n".join(_html_row(block, "td", row, span) for row, span in _spans(rows))
            return f"<figure>{told}<table>\n{top}<tbody>\n{body}\n</tbody>\n</table></figure>"


def _spans(rows: Sequence[Sequence[str]]) -> Iterator[tuple[Sequence[str], int]]:
    """Yield each row, and over how many its first cell reaches; 0 where the one above covers it."""
    firsts = [i for i, row in enumerate(rows) if row[0]]
    reach = {i: end - i for i, end in pairwise([*firsts, len(rows)])}
    yield from ((row, reach.get(i, 0)) for i, row in enumerate(rows))


def _html_row(grid: Grid, tag: str, cells: Sequence[str], span: int = 1) -> str:
    drawn = [
        f"<{tag}{' class=word' * (i < grid.texts)}{f' rowspan={span}' * (i == 0)}>"
        f"{escape(cell).replace(chr(10), '<br>')}</{tag}>"
        for i, cell in enumerate(cells)
        if i or span
    ]
    return f"<tr{' class=first' * bool(span)}>{''.join(drawn)}</tr>"


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_plain(text)}"
        case Text(text, warning):
            return "> " * warning + _plain(text)
        case Points(items):
            return "\n".join(f"- {_plain(item)}" for item in items)
        case Picture(file, _, name, caption):
            return f"![{_plain(name)}]({file})\n\n{_plain(caption)}"
        case Grid(head, rows, caption, texts):
            rule = [":--" if i < texts else "--:" for i in range(len(head))]
            lines = [list(map(_cell, head)), rule, *(map(_cell, row) for row in rows)]
            drawn = "\n".join(f"| {' | '.join(line)} |" for line in lines)
            return f"{_plain(caption)}\n\n{drawn}" if caption else drawn


def _cell(text: str) -> str:
    return "<br>".join(map(_plain, text.split("\n")))


def _plain(text: str) -> str:
    """Take the meaning from every character that has one in Markdown, and from line ends."""
    return re.sub(r"([\\`*_\[\]<>|~&$#])", r"\\\1", " ".join(text.split()))
