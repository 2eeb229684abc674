"""Who asks: what handlers hand to services as the actor."""

from typing import Any

from litestar import Request

from photochanger.features.audit.schemas import Actor
from photochanger.web.context import context_of


def client_address(request: Request[Any, Any, Any]) -> str:
    """The client's address as the web ring's outermost layer found it; only that one judges forwarding headers."""
    return context_of(request.scope).client


def actor_of(request: Request[Any, Any, Any]) -> Actor:
    """The signed-in account that sends `request`."""
    return Actor(request.user.username, client_address(request))
