"""One running place for each file; what a case leaves behind is no secret to the next."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.hostile.place import Place, opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with opened(tmp_path_factory.mktemp("place")) as made:
        yield made


@pytest.fixture
def calm(place: Place) -> Iterator[None]:
    """No case may end in an exception that nobody expected."""
    place.alarm.heard.clear()
    yield
    assert not place.alarm.heard
