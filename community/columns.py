"""What the tables are made of: the base of all models, their keys, and times that are always aware and in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, ForeignKey, Integer, MetaData, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Utc(TypeDecorator[datetime]):
    """An aware time in UTC, on databases that keep the zone and on those that do not."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


Key = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {str: Text(), datetime: Utc(), dict[str, Any]: JSON(none_as_null=True), list[str]: JSON()}  # noqa: RUF012


def own_id() -> Mapped[int]:
    """The column of a row's own number."""
    return mapped_column(Key, primary_key=True, autoincrement=True)


# Ids never return, not even that of the newest row after its removal: peers remember them.
NEVER_REUSED = {"sqlite_autoincrement": True}


def to(target: str, **options: Any) -> Mapped[Any]:
    """A column that refers to a row of another table: ``to("actor.id", index=True)``."""
    return mapped_column(Key, ForeignKey(target), **options)
