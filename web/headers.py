"""What every answer tells the browser to forbid: the second wall behind clean HTML and checked forms."""

from __future__ import annotations

from aiohttp import web

from web import auth
from web.auth import Handler
from web.site_key import SITE

_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: https:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
_ALWAYS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Server": "Folkmoot",  # aiohttp would name its version and Python's
}
_HSTS = "max-age=31536000"


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Put the headers on every answer, redirects included. What a handler has set itself stays."""
    try:
        response = await handler(request)
    except web.HTTPException as error:
        add(request, error)
        raise
    if not response.prepared:
        add(request, response)
    return response


def add(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _ALWAYS.items():
        response.headers.setdefault(name, value)
    if request.app[SITE].settings.is_secure:
        response.headers.setdefault("Strict-Transport-Security", _HSTS)
    if response.content_type == "text/html":
        _say_what_it_depends_on(response)
        if auth.viewer(request):
            response.headers.setdefault("Cache-Control", "private, no-cache")


def _say_what_it_depends_on(response: web.StreamResponse) -> None:
    named = [name.strip() for line in response.headers.getall("Vary", []) for name in line.split(",") if name.strip()]
    known = {name.lower() for name in named}
    named += [name for name in ("Accept", "Accept-Language", "Cookie") if name.lower() not in known]
    response.headers["Vary"] = ", ".join(named)
