"""Markdown, sanitising, titles."""

from __future__ import annotations

import pytest

from community import text


@pytest.mark.parametrize(
    ("html", "cleaned"),
    [
        ('<p class="x" id="y" style="z">a</p>', "<p>a</p>"),
        ('<a href="javascript:alert(1)">a</a>', '<a rel="nofollow noopener noreferrer ugc">a</a>'),
        ("<script>alert(1)</script>b", "b"),
        ("<svg><style><img src=x onerror=alert(1)></style></svg>c", "c"),
        ('<img src="https://a.example/x.png" alt="x">d', "d"),
        ('<p hx-get="/x" data-hx-get="/y">e</p>', "<p>e</p>"),
        ("<!-- comment -->f", "f"),
        ("<form action=/x><input name=y>g</form>", "g"),
    ],
)
def test_what_is_left_after_cleaning(html: str, cleaned: str) -> None:
    before = text.alarms
    assert text.clean(html) == cleaned
    assert text.clean(cleaned) == cleaned
    assert text.alarms == before


def test_markdown_links_mentions_that_are_known() -> None:
    html = text.render(
        "@anna and @bob@b.example, not @carl, not a@anna.example, not `@anna`.",
        {"anna": ("anna", "https://m.example/u/anna"), "bob@b.example": ("bob@b.example", "https://b.example/@bob")},
    )
    assert html.count("<a ") == 2
    assert 'href="https://m.example/u/anna"' in html
    assert ">@bob@b.example</a>" in html
    assert text.mentions_in("@anna, @bob@B.example. mail a@anna.example") == [("anna", ""), ("bob", "b.example")]


def test_pictures_become_links() -> None:
    assert "<img" not in text.render("![a cat](https://a.example/cat.png)")
    assert ">a cat</a>" in text.render("![a cat](https://a.example/cat.png)")


GROUP = "https://moot.example/g/mobility"
MASTODON = (
    f'<p><span class="h-card" translate="no"><a href="{GROUP}" class="u-url mention">@<span>mobility</span></a></span> '
)


@pytest.mark.parametrize(
    ("html", "title"),
    [
        (MASTODON + "Should buses be free? I think so.</p>", "Should buses be free?"),
        (MASTODON + "<br>Second line first</p>", "Second line first"),
        ("<p>@mobility@moot.example Trams again</p>", "Trams again"),
        ("<p><strong>A real title</strong></p><p>Text.</p>", "A real title"),
        ('<p class="quote-inline">RE: https://x.example</p><p>My view</p>', "My view"),
        ("<p>" + "word " * 60 + "</p>", "word " * 16 + "word…"),
        (MASTODON + "</p>", ""),
    ],
)
def test_titles_made_of_the_first_sentence(html: str, title: str) -> None:
    assert text.title_of(html, {GROUP: "mobility"}) == title


def test_slugs_are_plain() -> None:
    assert text.slug_of("Où vont les bus? — Ça dépend") == "ou-vont-les-bus-ca-depend"
    assert text.slug_of("水") == "topic"
    assert text.slug_of("Live!") == "live-topic"
