"""A report's Markdown and plots as one HTML page that needs no other file."""

from __future__ import annotations

from html import escape

from markdown_it import MarkdownIt

from loadtest.verdict import Outcome

COLORS = {Outcome.PASS: "#3a8f5c", Outcome.FAIL: "#b3261e", Outcome.INVALID: "#8a6d1d"}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Load run: {outcome}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #1c1e21; max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }}
h1 {{ border-left: .5rem solid {color}; padding-left: .8rem; }}
h2 {{ margin-top: 2.2rem; font-size: 1.15rem; }}
table {{ border-collapse: collapse; width: 100%; font-size: .9rem; }}
th, td {{ padding: .3rem .7rem; border-bottom: 1px solid #e3e5e8; text-align: left; }}
td {{ font-variant-numeric: tabular-nums; }}
td strong {{ color: #b3261e; }}
figure {{ margin: 1.2rem 0; }}
figcaption {{ font-weight: 600; margin-bottom: .2rem; }}
figure svg {{ width: 100%; height: auto; }}
</style>
</head>
<body>
{body}
<h2>Plots</h2>
{figures}
</body>
</html>
"""


def as_html(markdown: str, pictures: dict[str, str], outcome: Outcome) -> str:
    """``pictures`` are SVG by caption; Markdown's own HTML is shown as text, not as HTML."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    figures = "\n".join(
        f"<figure><figcaption>{escape(caption)}</figcaption>{picture}</figure>"
        for caption, picture in pictures.items()
    )
    return PAGE.format(
        outcome=outcome.name.lower(), color=COLORS[outcome], body=body, figures=figures
    )
