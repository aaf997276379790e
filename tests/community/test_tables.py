"""Models and migrations agree, on both databases."""

from __future__ import annotations

from community import tables
from federation.site import Site


async def test_migrations_make_what_the_models_say(site: Site) -> None:
    assert await tables.differences(site.database) == []
    at, newest = await tables.version(site.database)
    assert at == newest


async def test_migrating_again_changes_nothing(site: Site) -> None:
    await tables.migrate(site.database)
    assert await tables.differences(site.database) == []
