"""French and Spanish are complete, well formed and used: catalogs against the code, and pages as they are served."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from community import members, posts, topics
from community.models import Actor
from tests.web.forms import send, setting
from web import render

WEB = Path(render.__file__).parent
LANGUAGES = [language for language in members.LANGUAGES if language != "en"]
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd%]|\{\w+\}")
TAG = re.compile(r"</?\w[^>]*>")


@pytest.fixture
def database_kind():
    return "sqlite"


@cache
def words_in_code() -> dict[str, str]:
    """Every sentence that is marked for translation, with its plural or ''."""
    with (WEB / "locale" / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    found: dict[str, str] = {}
    for _, _, words, _, _ in extract_from_dir(str(WEB), methods, options):
        one, many = words if isinstance(words, tuple) else (words, "")
        found[one] = many or found.get(one, "")
    return found


@cache
def catalog(language: str) -> Catalog:
    with (WEB / "locale" / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def pairs(language: str) -> list[tuple[str, str]]:
    """(source, translation), once for each form of a plural; the plural's forms stand beside its source."""
    found = []
    for message in catalog(language):
        if not message.id:
            continue
        if not message.pluralizable:
            found.append((message.id, message.string))
            continue
        found.append((message.id[0], message.string[0]))
        found += [(message.id[1], form) for form in message.string[1:]]
    return found


# --- the catalogs


def test_words_are_found_in_code_templates_and_tables():
    found = words_in_code()
    assert {"Sign in", "This name is taken.", "urban planner", "pinned a topic", "Nothing is here"} <= set(found)
    assert found["%(n)s topic"] == "%(n)s topics"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalog_holds_every_word_and_nothing_else(language):
    held = {
        message.id[0] if message.pluralizable else message.id: message.id[1] if message.pluralizable else ""
        for message in catalog(language)
        if message.id
    }
    assert held == words_in_code(), "run `make words`, then translate what is new"
    assert not catalog(language).obsolete
    assert not [message.id for message in catalog(language) if message.id and message.fuzzy]


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_left_empty_and_plurals_have_all_their_forms(language):
    count = catalog(language).num_plurals
    for message in catalog(language):
        forms = message.string if message.pluralizable else (message.string,)
        assert all(form and form.strip() for form in forms) or not message.id, message.id
        assert not message.pluralizable or len(forms) == count, message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_and_tags_are_those_of_the_source(language):
    for source, translated in pairs(language):
        for pattern in (PLACEHOLDER, TAG):
            assert sorted(pattern.findall(translated)) == sorted(pattern.findall(source)), source
        assert "%" not in PLACEHOLDER.sub("", translated), f"a bare % breaks the page: {translated!r}"


@pytest.mark.parametrize(("language", "theme", "topic"), [("fr", "thème", "sujet"), ("es", "tema", "hilo")])
def test_themes_and_topics_have_two_names(language, theme, topic):
    for source, translated in pairs(language):
        source, translated = PLACEHOLDER.sub("", source).lower(), translated.lower()
        if "theme" in source and "topic" not in source:
            assert topic not in translated, source
        if "topic" in source and "theme" not in source:
            assert not re.search(rf"\b{theme}", translated), source


def test_french_sets_its_signs_apart_without_a_break():
    for _, translated in pairs("fr"):
        assert not re.search(r"[^\u202f][;?!]", translated), translated
        assert not re.search(r"[^\u00a0]:(?!\S)", translated), translated
        assert not re.search(r"«[^\u00a0]|[^\u00a0]»|'", translated), translated
        assert not re.search(r"\b(tu|toi|ton|tes)\b", translated, re.I), translated


def test_spanish_opens_what_it_closes_and_stays_formal():
    for _, translated in pairs("es"):
        assert translated.count("¿") == translated.count("?"), translated
        assert translated.count("¡") == translated.count("!"), translated
        assert translated.count("«") == translated.count("»"), translated
        assert not re.search(r"\b(tú|ti|tus?|vosotros|vuestr\w+)\b|[\u00a0\u202f][;:?!]", translated, re.I), translated


def test_no_words_of_a_template_are_left_out():
    """What is neither a tag nor an expression is a word that nobody could translate."""
    known = {"mastodon.example", "folkmoot admin-link", "ActivityStreams", "Atom", "CSV", "JSON", "JSON Feed"}
    for path in (WEB / "templates").rglob("*.html"):
        source = re.sub(r"(?s)\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", path.read_text())
        shown = re.findall(r'\b(?:alt|aria-label|placeholder|title)="([^"]*)"', source)
        source = re.sub(r"(?s)<svg.*?</svg>|<kbd>.*?</kbd>|</?[a-z!][^>]*>", "\n", source)
        shown += re.sub(r'[a-z-]+="[^"]*"', "", source).splitlines()  # attributes that a macro puts together
        left = [words for words in shown if re.search(r"[^\W\d_]{2}", html.unescape(words))]
        assert not {words.strip() for words in left} - known, path.name


# --- what depends on the language without being a word


@pytest.mark.parametrize(
    ("language", "long", "short", "number"),
    [
        ("en", "3 December 2020, 14:05 UTC", "3 Dec 2020", "12,345"),
        ("fr", "3 décembre 2020, 14:05 UTC", "3 déc. 2020", "12\u202f345"),
        ("es", "3 de diciembre de 2020, 14:05 UTC", "3 dic 2020", "12.345"),
    ],
)
def test_dates_and_numbers_are_written_as_the_language_does(language, long, short, number):
    filters = render.environment(language).filters
    moment = datetime(2020, 12, 3, 14, 5, tzinfo=UTC)
    assert f">{long}</time>" in filters["moment"](moment)
    assert f'title="{long}"' in filters["day"](moment)
    assert f">{short}</time>" in filters["day"](moment)
    assert filters["number"](12345) == number


# --- the pages


@pytest.fixture
async def topic(site, member, theme):
    """A topic with one reply; answers its path."""
    account, group = await member("anna"), await theme("mobility")
    async with site.database.write() as tx:
        author = await tx.get_one(Actor, account.actor_id)
        author.profession = "urban planner"
        opener = await topics.open(tx, author, group.actor, await posts.compose(tx, "What if?", title="Free buses?"))
        await posts.reply(tx, author, opener.topic, await posts.compose(tx, "Then what?"))
        return render.topic_path(opener.topic)


async def read(client, path, language):
    answer = await client.get(path, headers={"Accept-Language": language})
    return answer, html.unescape(await answer.text())


PAGES = {
    "fr": {"/": "Récents", "/t/1": "1 réponse", "/sign-in": "Mot de passe", "/no-such": "Il n’y a rien ici"},
    "es": {"/": "Recientes", "/t/1": "1 respuesta", "/sign-in": "Contraseña", "/no-such": "Aquí no hay nada"},
    "en": {"/": "Latest", "/t/1": "1 reply", "/sign-in": "Password", "/no-such": "Nothing is here"},
}


@pytest.mark.parametrize("language", PAGES)
async def test_a_page_speaks_the_language_that_was_asked_for(client, topic, language):
    for path, words in PAGES[language].items():
        answer, page = await read(client, topic if path == "/t/1" else path, f"{language}-XX,{language};q=0.9,en;q=0.1")
        assert words in page, path
        assert f'<html lang="{language}" dir="ltr"' in page
        assert answer.headers["Content-Language"] == language
        assert "Accept-Language" in answer.headers["Vary"]


async def test_one_reader_s_language_is_not_served_to_the_next(client, topic):
    """The pages are kept for a second, by language, however the header is spelled."""
    same_beginning = "de-AT,de-CH;q=0.9,de;q=0.8,"
    for language in ("fr", "es", "en", "fr"):
        _, page = await read(client, "/", f"{same_beginning}{language};q=0.7")
        assert f'<html lang="{language}"' in page


@pytest.mark.parametrize(
    ("language", "words"),
    [("fr", "points sont à revoir."), ("es", "puntos por revisar."), ("en", "things need another look.")],
)
async def test_what_is_wrong_with_a_form_is_said_in_the_reader_s_language(client, language, words):
    answer = await send(
        client, "/sign-up", headers={"Accept-Language": language}, name="?", email="x", password="short"
    )
    page = html.unescape(await answer.text())
    assert answer.status == 422
    assert f"3 {words}" in page
    for sentence in ("name-form", "email-form", "password-too-short"):
        assert render.environment(language).filters["sentence"](sentence) in page


async def test_a_refusal_is_said_in_the_reader_s_language(client):
    answer = await client.post("/sign-in", data={"name": "x"}, headers={"Accept-Language": "fr"})
    page = html.unescape(await answer.text())
    assert answer.status == 403
    assert "<h1>Ce n’est pas possible</h1>" in page
    assert "Ce formulaire est resté ouvert trop longtemps" in page


async def test_a_member_s_own_choice_wins_over_the_browser(client, member, sign_in, topic):
    await sign_in(client, await member("ines", language="es"))
    answer, page = await read(client, topic, "fr")
    assert "Cerrar sesión" in page
    assert "urbanismo" in page.lower()
    assert (answer.headers["Content-Language"], '<html lang="es"' in page) == ("es", True)


async def test_a_feed_is_in_the_language_of_the_place_whoever_reads_it(site, client, topic, monkeypatch):
    setting(monkeypatch, site, language="es")
    _, feed = await read(client, "/g/mobility/feed.xml", "fr")
    assert 'xml:lang="es"' in feed


async def test_a_reader_of_no_language_of_ours_gets_that_of_the_place(site, client, monkeypatch):
    setting(monkeypatch, site, language="fr")
    _, page = await read(client, "/sign-in", "de,pt;q=0.5")
    assert '<html lang="fr"' in page
