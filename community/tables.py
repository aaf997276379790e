"""Bringing a database's tables up to date: the one place that runs alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from community import agenda_models as _agenda_models
from community import article_models as _article_models
from community import debate_models as _debate_models
from community import media_models as _media_models
from community.columns import Base
from community.db import Database

_ = (_agenda_models, _article_models, _debate_models, _media_models)  # whose tables are to be known as well


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config


async def migrate(database: Database) -> None:
    """Apply every migration that is still missing; does nothing when all are there."""

    def upgrade(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async with database.engine.begin() as connection:
        await connection.run_sync(upgrade)


async def revise(database: Database, message: str) -> None:
    """Write the next migration from what the models have and the database has not. For developers."""

    def compare(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
        command.revision(config, message, autogenerate=True, rev_id=f"{number:04}")

    async with database.engine.begin() as connection:
        await connection.run_sync(compare)


async def version(database: Database) -> tuple[str | None, str | None]:
    """The migration that the database is at, and the newest there is."""

    def read(connection: Connection) -> tuple[str | None, str | None]:
        at = MigrationContext.configure(connection).get_current_revision()
        return at, ScriptDirectory.from_config(_config()).get_current_head()

    async with database.engine.connect() as connection:
        return await connection.run_sync(read)


async def differences(database: Database) -> list[object]:
    """What the models say and the database does not; empty when they agree."""

    def read(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))

    async with database.engine.connect() as connection:
        return await connection.run_sync(read)
