"""One list of blocks, written out as HTML and as Markdown. Text is plain; both escape it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import NamedTuple, TypeAlias
from urllib.parse import quote

from nasbench.report.figures import DPI, Drawn


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


class File(NamedTuple):
    """What stands behind a block, unrounded, as a file beside the page and inside it."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Grid:
    """A table. The first `texts` columns hold words, the others numbers.

    A line end in a cell stays one. A row whose first cell is empty belongs to the one above. `csv`
    is what the table shows.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    texts: int = 1
    csv: File | None = None


@dataclass(frozen=True)
class Picture:
    """A figure: its files' name without the end, what it is, what is to be seen, its numbers."""

    file: str
    drawn: Drawn
    name: str
    caption: str
    csv: File | None = None


FORMATS = ("png", "svg")

Block: TypeAlias = Heading | Text | Points | Grid | Picture

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2430; --faint: #5b6675;
  --line: #d8dee6; --alert: #fdf3ec; --link: #0b63a5; }
@media screen and (prefers-color-scheme: dark) {
  :root { --paper: #14181d; --ink: #dde3ea; --faint: #9aa6b4; --line: #363f4a;
    --alert: #33241b; --link: #7cb8ea; }
  img { filter: invert(.92) hue-rotate(180deg); border-radius: 4px; }
}
* { box-sizing: border-box; }
body { margin: 2.5rem auto 4rem; max-width: 76rem; padding: 0 1.25rem; background: var(--paper);
  color: var(--ink); font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .75rem; }
h2 { font-size: 1.3rem; margin: 3rem 0 .75rem; padding-bottom: .3rem;
  border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
h1, h2, h3 { overflow-wrap: anywhere; }
p, ul { margin: .6rem 0; max-width: 48rem; }
li { margin: .2rem 0; }
a { color: var(--link); white-space: nowrap; }
.warning { padding: .6rem .9rem; border-left: 4px solid #d55e00; background: var(--alert); }
figure { margin: 1.25rem 0 1.75rem; }
figcaption { margin: 0 0 .5rem; color: var(--faint); font-size: .87rem; max-width: 48rem; }
.wide { overflow-x: auto; }
img { display: block; max-width: 100%; height: auto; }
.wide + figcaption { margin: .5rem 0 0; }
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
@media screen and (max-width: 40rem) {
  body { margin-top: 1rem; padding: 0 .8rem; }
  .wide img { max-width: none; }
  th, td { padding: .22rem .4rem; }
  td.word:not([rowspan]) { min-width: 9em; }
  td[rowspan]:first-child, th:first-child { position: sticky; left: 0;
    background: var(--paper); }
}
@page { margin: 14mm; }
@media print {
  body { margin: 0; max-width: none; padding: 0; font-size: 9pt; }
  figure { margin: 1rem 0; }
  .wide { overflow: visible; }
  figcaption, table { font-size: 7.5pt; }
  th, td { padding: .15rem .35rem; }
  img { max-height: 85mm; width: auto; }
  h2, h3, figcaption { break-after: avoid; }
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
    """Write the same in GitHub's Markdown; what is in `files` lies beside it."""
    return "\n\n".join(map(_markdown, blocks)) + "\n"


def files(blocks: Iterable[Block]) -> Iterator[File]:
    """Yield the files of figures and tables."""
    for block in blocks:
        if isinstance(block, Picture):
            yield from (File(f"{block.file}.{end}", getattr(block.drawn, end)) for end in FORMATS)
        if isinstance(block, Picture | Grid) and block.csv:
            yield block.csv


def _html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{escape(text)}</h{level}>"
        case Text(text, warning):
            return f"<p{' class=warning' * warning}>{escape(text)}</p>"
        case Points(items):
            return "<ul>\n" + "\n".join(f"<li>{escape(item)}</li>" for item in items) + "\n</ul>"
        case Picture(_, drawn, name, caption, csv):
            width = int.from_bytes(drawn.png[16:20]) * 96 // DPI
            source = f"data:image/png;base64,{b64encode(drawn.png).decode()}"
            return (
                f'<figure class=picture><div class=wide><img alt="{escape(name)}" width="{width}" '
                f'src="{source}"></div>'
                f"<figcaption>{escape(caption)}{_html_file(csv)}</figcaption></figure>"
            )
        case Grid(head, rows, caption, _, csv):
            told = f"{escape(caption)}{_html_file(csv)}"
            above = f"<figcaption>{told}</figcaption>\n" if told else ""
            top = f"<thead>{_html_row(block, 'th', head)}</thead>\n" if any(head) else ""
            body = "\n".join(_html_row(block, "td", row, span) for row, span in _spans(rows))
            return (
                f"<figure>{above}<div class=wide><table>\n{top}<tbody>\n{body}\n</tbody>\n"
                "</table></div></figure>"
            )


def _html_file(file: File | None) -> str:
    """Write a link that holds the file itself, so that it works wherever the page is."""
    if file is None:
        return ""
    source = f"data:text/csv;base64,{b64encode(file.content).decode()}"
    name = escape(file.name)
    return f' <a download="{name}" href="{source}">{name}</a>'


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
        case Picture(file, _, name, caption, csv):
            return f"![{_plain(name)}]({file}.png)\n\n{_plain(caption)}{_markdown_file(csv)}"
        case Grid(head, rows, caption, texts, csv):
            rule = [":--" if i < texts else "--:" for i in range(len(head))]
            lines = [list(map(_cell, head)), rule, *(map(_cell, row) for row in rows)]
            drawn = "\n".join(f"| {' | '.join(line)} |" for line in lines)
            told = f"{_plain(caption)}{_markdown_file(csv)}"
            return f"{told}\n\n{drawn}" if told else drawn


def _markdown_file(file: File | None) -> str:
    return "" if file is None else f" [{_plain(file.name)}]({quote(file.name)})"


def _cell(text: str) -> str:
    return "<br>".join(map(_plain, text.split("\n")))


def _plain(text: str) -> str:
    """Take the meaning from every character that has one in Markdown, and from line ends."""
    return re.sub(r"([\\`*_\[\]<>|~&$#])", r"\\\1", " ".join(text.split()))
