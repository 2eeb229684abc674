"""Pages out of templates: whole for a visit, one block of the same template for htmx.

Templates get what a handler hands them and nothing else; a name they lack is an error, not an empty place.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Request, Response
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.template.config import TemplateConfig

from photochanger.core.clock import Clock
from photochanger.web import words
from photochanger.web.static import StaticFiles


def environment(templates: Path, static: StaticFiles, clock: Clock) -> Environment:
    """The Jinja environment of the product: `static(name)`, the macros of `components/ui.html` as `ui`, and filters."""
    env = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def ago(moment: datetime) -> str:
        return words.ago(moment, clock.now())

    def left(moment: datetime) -> str:
        return words.left(moment, clock.now())

    env.globals["static"] = static.url
    env.filters |= {"number": words.number, "exact": words.exact, "in_words": words.in_words, "ago": ago, "left": left}
    # A global, because a block that is rendered alone does not see its file's imports.
    env.globals["ui"] = env.get_template("components/ui.html").module
    return env


def template_config(env: Environment) -> TemplateConfig[JinjaTemplateEngine]:
    return TemplateConfig(instance=JinjaTemplateEngine.from_environment(env))


def page(
    request: Request[Any, Any, Any],
    template: str,
    context: Mapping[str, Any],
    *,
    fragment: str | None = None,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response[str]:
    """The document, or for htmx the block `fragment` alone."""
    engine = cast("JinjaTemplateEngine", request.app.template_engine)
    found = engine.get_template(template)
    if fragment and wants_fragment(request):
        scope = found.new_context(dict(context))
        content = "".join(found.blocks[fragment](scope))
    else:
        content = found.render(context)
    return Response(
        content,
        status_code=status_code,
        media_type=MediaType.HTML,
        headers={**(headers or {}), "vary": _with_htmx((headers or {}).get("vary"))},
    )


def wants_fragment(request: Request[Any, Any, Any]) -> bool:
    """Whether htmx asks for a part; a page it restores from history it needs whole."""
    return request.headers.get("hx-request") == "true" and request.headers.get("hx-history-restore-request") != "true"


def _with_htmx(vary: str | None) -> str:
    return f"{vary}, HX-Request" if vary else "HX-Request"
