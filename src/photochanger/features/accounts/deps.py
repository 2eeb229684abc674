"""Closes every handler: what nobody marked is for administrators. Marks stand in a handler's `opt`, one by one."""

from typing import Any, Literal, get_args

from litestar.connection import ASGIConnection
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import BaseRouteHandler

from photochanger.core.errors import Problem
from photochanger.features.accounts.models import Role
from photochanger.features.accounts.schemas import Identity
from photochanger.features.accounts.service import AccountService

Access = Literal["public", "optional", "any", "operator", "admin"]
"""`opt={"access": …}`: everybody, not asked who · everybody, but who is signed in sees more · every account ·
operators and administrators · administrators."""

_ROLES: dict[Access, frozenset[Role]] = {
    "any": frozenset({"member", "operator", "admin"}),
    "operator": frozenset({"operator", "admin"}),
    "admin": frozenset({"admin"}),
}
_DEFAULT: Access = "admin"


class AccessGuard:
    """The application's guard. Sets `request.user` and `request.auth` to the Identity, or None where nobody signed in.

    It runs before a handler reads anything, for HEAD and OPTIONS as for GET.
    """

    def __init__(self, accounts: AccountService) -> None:
        self._accounts = accounts

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        access = _access(connection, handler)
        identity = await self._identity(connection, access)
        connection.scope["user"] = connection.scope["auth"] = identity
        if access in _ROLES and (identity is None or identity.role not in _ROLES[access]):
            raise Problem("forbidden")

    async def _identity(self, connection: ASGIConnection[Any, Any, Any, Any], access: Access) -> Identity | None:
        if access == "public":
            return None
        sent = connection.headers.getall("authorization", [])
        try:
            return await self._accounts.authenticate(sent[0] if len(sent) == 1 else None)
        except Problem as problem:
            if access == "optional" and problem.code == "login-required":
                return None
            raise


def _access(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> Access:
    if "access" not in handler.opt and connection.scope.get("method") == "OPTIONS":
        handler = _answered_for(connection, handler)
    access: Access = handler.opt.get("access", _DEFAULT)
    if access not in get_args(Access):
        raise ImproperlyConfiguredException(f"{handler} has an unknown access: {access}")
    return access


def _answered_for(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> BaseRouteHandler:
    """The framework makes a route's OPTIONS handler itself, without marks: it is as open as the route's GET."""
    for route in connection.app.routes:
        handlers = getattr(route, "route_handler_map", {})
        if route.path == connection.scope["path_template"] and "GET" in handlers:
            found: BaseRouteHandler = handlers["GET"][0]
            return found
        if route.path == connection.scope["path_template"]:
            return next((each for method, (each, _) in handlers.items() if method != "OPTIONS"), handler)
    return handler
