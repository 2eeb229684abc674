"""Signing in and out for programs."""

from typing import Any

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency

from photochanger.core.forms import Mistakes, read_document
from photochanger.features.accounts.schemas import LoginInput, Token
from photochanger.features.accounts.service import AccountService
from photochanger.features.audit.deps import client_address
from photochanger.web.body import read_json
from photochanger.web.openapi import documented


class AccountsApi(Controller):
    path = "/api"
    tags = ("accounts",)

    @post(
        "/login",
        operation_id="login",
        summary="Get a token for 12 hours",
        status_code=200,
        opt={"access": "public"},
        operation_class=documented(
            body=LoginInput, problems=("malformed-json", "credentials-invalid", "validation-failed", "login-locked")
        ),
    )
    async def login(
        self, request: Request[Any, Any, Any], accounts: NamedDependency[AccountService]
    ) -> Response[Token]:
        mistakes = Mistakes()
        login = read_document(LoginInput, await read_json(request, allow_nul=True), mistakes)
        mistakes.raise_if_any()
        token = await accounts.login(login.username, login.password, client_address(request))
        return Response(token, headers={"cache-control": "no-store"})

    @post(
        "/logout",
        operation_id="logout",
        summary="End the session; its token is dead at once",
        status_code=204,
        opt={"access": "any"},
        operation_class=documented(problems=("login-required",)),
    )
    async def logout(self, request: Request[Any, Any, Any], accounts: NamedDependency[AccountService]) -> None:
        await accounts.logout(request.user, client_address(request))
