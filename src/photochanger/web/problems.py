"""Makes the answer out of everything that can go wrong: problem JSON, a page, or a toast, with the same status.

Says nothing a caller may not see: words of the framework and of exceptions stay in the log.
"""

import math
import re
from typing import TYPE_CHECKING, Any, cast

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from photochanger.core.errors import PROBLEMS, Problem
from photochanger.core.forms import FieldError
from photochanger.web.context import context_of
from photochanger.web.hosts import has_sane_host
from photochanger.web.render import page, wants_fragment

if TYPE_CHECKING:
    from litestar.types import ExceptionHandlersMap

_log = structlog.get_logger(__name__)

_BY_STATUS = {
    401: "login-required",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    413: "body-too-large",
    415: "unsupported-media-type",
    429: "rate-limited",
}
_RETRY_SECONDS = {429: 1, 503: 5}


def problem_document(problem: Problem, request_id: str) -> dict[str, Any]:
    """RFC 9457, with the problem's own members."""
    return {
        "type": f"/problems/{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": request_id,
        "code": problem.code,
        **problem.members,
    }


def on_problem(request: Request[Any, Any, Any], problem: Problem) -> Response[Any]:
    return _answer(request, problem, problem.headers)


def on_framework_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    if error.status_code >= 500:  # noqa: PLR2004 – the class of server errors
        return on_crash(request, error)
    return _answer(request, _translated(request, error), error.headers or {})


def on_crash(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    _log.error("request.crashed", exc_info=error)
    return _answer(request, Problem("internal"), {})


EXCEPTION_HANDLERS = cast(
    "ExceptionHandlersMap", {Problem: on_problem, HTTPException: on_framework_error, Exception: on_crash}
)


def _translated(request: Request[Any, Any, Any], error: HTTPException) -> Problem:
    if isinstance(error, ValidationException):
        return Problem("validation-failed", errors=_field_errors(error))
    if error.status_code in _BY_STATUS:
        return Problem(_BY_STATUS[error.status_code])
    return Problem("bad-request" if has_sane_host(request.scope) else "invalid-host")


def _field_errors(error: ValidationException) -> list[FieldError]:
    extra = error.extra if isinstance(error.extra, list) else []
    found = [FieldError(str(each.get("key", "request")), str(each["message"])) for each in extra]
    return found or [FieldError("request", "lacks a value it needs")]


def _answer(request: Request[Any, Any, Any], problem: Problem, extra: dict[str, str]) -> Response[Any]:
    context = context_of(request.scope)
    context.code = problem.code
    headers = {"cache-control": "no-store", "vary": "Accept", **extra, **_retry_after(problem)}
    if problem.status == PROBLEMS["login-required"].status:
        headers["www-authenticate"] = "Bearer"
    document = problem_document(problem, context.id)
    if wants_fragment(request):
        headers |= {"hx-retarget": "#toasts", "hx-reswap": "innerHTML"}
    elif not accepts_html(request):
        return Response(
            msgspec.json.encode(document),
            status_code=problem.status,
            media_type="application/problem+json",
            headers={**headers, "vary": "Accept, HX-Request"},
        )
    return page(
        request, "problem.html", {"problem": document}, fragment="problem", status_code=problem.status, headers=headers
    )


def _retry_after(problem: Problem) -> dict[str, str]:
    seconds = problem.retry_after if problem.retry_after is not None else _RETRY_SECONDS.get(problem.status)
    return {} if seconds is None else {"retry-after": str(max(1, math.ceil(seconds)))}


def accepts_html(request: Request[Any, Any, Any]) -> bool:
    """Whether `Accept` names text/html, which browsers do and programs do not."""
    return accepts(request, "text/html")


def accepts(request: Request[Any, Any, Any], wanted: str) -> bool:
    """Whether `Accept` names this very type; a wildcard names none."""
    for choice in request.headers.get("accept", "").lower().split(","):
        kind, *parameters = (part.strip() for part in choice.split(";"))
        if kind == wanted:
            return not any(re.fullmatch(r"q=0(\.0*)?", parameter) for parameter in parameters)
    return False
