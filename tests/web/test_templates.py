"""Every template can be read, in every language: servers read them only when they are first shown."""

from __future__ import annotations

import pytest

from web.render import environment


@pytest.mark.parametrize("language", ["en", "fr", "es"])
def test_every_template_can_be_read(language: str) -> None:
    made = environment(language)
    names = made.list_templates()
    assert len(names) > 50
    for name in names:
        made.get_template(name)
