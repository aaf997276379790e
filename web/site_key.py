"""The name under which the running instance stands in the web application."""

from aiohttp import web

from federation.site import Site

SITE = web.AppKey("site", Site)
