"""Folkmoot over real HTTP against an independent ActivityPub implementation.

``member/`` is a scriptable server built on Fedify; ``members.py`` starts it, ``server.py`` starts Folkmoot as an
operator would, ``browser.py`` reads its pages and sends its forms. Nothing here imports Folkmoot itself, but for
``test_proofs.py``. When ``test_harness.py`` fails, the harness is at fault; when it passes, the server is.
"""
