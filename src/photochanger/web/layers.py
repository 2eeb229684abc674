"""Puts the layers that see every request around an application, also those the router answers (404, 405)."""

from collections.abc import Iterable

from litestar import Litestar

from photochanger.core.clock import Clock
from photochanger.web.context import ContextLayer
from photochanger.web.early_answer import EarlyAnswerLayer
from photochanger.web.headers import HeadersLayer
from photochanger.web.hosts import Addresses
from photochanger.web.metrics import Metrics


def install_layers(
    app: Litestar, *, clock: Clock, addresses: Addresses, metrics: Metrics, image_hosts: Iterable[str] = ()
) -> None:
    """The framework's own middleware runs behind its router and never sees what the router refuses."""
    is_https = (addresses.public_base_url or "").startswith("https://")
    headers = HeadersLayer(app.asgi_handler, https=is_https, image_hosts=image_hosts)
    context = ContextLayer(headers, clock=clock, clients=addresses, observer=metrics)
    app.asgi_handler = EarlyAnswerLayer(context)
