"""The tables of pictures that people upload."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from community.columns import NEVER_REUSED, Base, own_id, to


class Media(Base):
    """A picture. ``key`` is what its addresses and files are named by: random, so that nothing about it can be guessed
    and no name ever returns. ``digest`` is the SHA-256 of the file as it was sent: the same again is no new one.

    ``variants`` has [width, height, bytes] by size: always desk, phone where that is smaller. Nothing uses it since
    ``idle_since``; a day later it goes.
    """

    __tablename__ = "media"
    __table_args__ = (UniqueConstraint("owner_id", "digest"), NEVER_REUSED)

    id: Mapped[int] = own_id()
    key: Mapped[str] = mapped_column(unique=True)
    owner_id: Mapped[int] = to("actor.id")
    digest: Mapped[str]
    kind: Mapped[str]  # the media type of what was sent; what is kept is image/webp
    width: Mapped[int]
    height: Mapped[int]
    blurhash: Mapped[str]
    alt: Mapped[str] = mapped_column(default="")
    language: Mapped[str] = mapped_column(default="")  # of the alternative text
    bytes: Mapped[int]
    variants: Mapped[dict[str, list[int]]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime]
    idle_since: Mapped[datetime | None] = mapped_column(index=True)


class MediaUse(Base):
    """What holds a picture, as ``post:12``: so that other things than posts can hold one as well."""

    __tablename__ = "media_use"

    media_id: Mapped[int] = to("media.id", primary_key=True)
    holder: Mapped[str] = mapped_column(primary_key=True, index=True)
