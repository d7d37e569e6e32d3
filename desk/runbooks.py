"""Runbooks: the Markdown files of one folder, found by name and rendered to HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
INDEX = "README"
_SIBLING = re.compile(r"(?:\./)?([A-Za-z0-9_-]+)\.md(#.*)?")


@dataclass(frozen=True)
class Rendered:
    """A page as HTML, with its level-2 headings as (anchor, text)."""

    title: str
    html: str
    sections: tuple[tuple[str, str], ...]


class Runbooks:
    """The runbooks of a folder, read anew each time, so that a mended page shows at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Raw HTML in a page is shown as text; markdown-it refuses javascript: links by itself.
        self._markdown = MarkdownIt("commonmark", {"html": False}).enable("table")

    def names(self) -> list[str]:
        """All runbooks, sorted, without the index page."""
        return sorted(name for name in self._files() if name != INDEX)

    def has(self, name: str) -> bool:
        """Whether there is a runbook of this name."""
        return name in self._files()

    def render(self, name: str) -> Rendered | None:
        """The runbook of this name, or None. The name is looked up, never joined to a path."""
        path = self._files().get(name)
        if path is None:
            return None
        tokens = self._markdown.parse(path.read_text(encoding="utf-8"))
        sections = tuple(_anchor(tokens))
        title = next((text.content for tag, text in _headings(tokens) if tag.tag == "h1"), name)
        _link_siblings(tokens)
        html = self._markdown.renderer.render(tokens, self._markdown.options, {})
        return Rendered(title, html, sections)

    def _files(self) -> dict[str, Path]:
        files = self._folder.glob("*.md")
        return {file.stem: file for file in files if NAME.fullmatch(file.stem) and file.is_file()}


def _headings(tokens: list[Token]) -> Iterable[tuple[Token, Token]]:
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            yield token, tokens[index + 1]


def _anchor(tokens: list[Token]) -> Iterable[tuple[str, str]]:
    for heading, text in _headings(tokens):
        if heading.tag == "h2":
            slug = re.sub(r"[^a-z0-9]+", "-", text.content.lower()).strip("-")
            heading.attrSet("id", slug)
            yield slug, text.content


def _link_siblings(tokens: list[Token]) -> None:
    # In the repository a page links to OtherAlert.md; on the desk pages have no ending.
    for token in tokens:
        for child in token.children or ():
            sibling = _SIBLING.fullmatch(str(child.attrGet("href") or ""))
            if sibling:
                name, anchor = sibling.groups()
                path = "/runbooks/" if name == INDEX else f"/runbooks/{name}"
                child.attrSet("href", path + (anchor or ""))
