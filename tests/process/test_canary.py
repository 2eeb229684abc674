"""The canary itself: a search that finds nothing must be able to find something."""

import json

import pytest
import structlog

from photochanger.web.log import configure
from tests.support.booth import TEXTS
from tests.support.canary import leaks
from tests.support.product import ADMIN_PASSWORD, SLOT_PASSWORD


@pytest.mark.parametrize(
    "said",
    [
        SLOT_PASSWORD,
        ADMIN_PASSWORD,
        "GET /public/results/1?t=abc",
        "GET /public/slots/slot-001?page=2&k=abc",
        "POST /api/ingest/slot-001?key=abc",
        "Authorization: Bearer abc",
        "eyJhbGciOiJIUzI1NiJ9.e30.x",
        TEXTS["name"],
        TEXTS["profile"],
        TEXTS["user_id"],
        "from-this-test",
    ],
)
def test_a_secret_in_a_line_is_found(said):
    assert leaks(f"fine\n{json.dumps({'event': said})}\nfine", ["from-this-test"]) == [json.dumps({"event": said})]


def test_a_redacted_line_is_none():
    assert leaks('{"path": "/r/[redacted]", "url": "/x?[redacted]", "head": "Bearer [redacted]"}') == []


def test_the_suite_watches_what_the_product_logs(product_log):
    structlog.get_logger().info("slot.renamed", slot_id="slot-001")
    assert "slot.renamed" in product_log.getvalue()


def test_a_line_past_the_products_own_redaction_would_be_found(product_log):
    configure("info", "json", product_log)
    structlog.get_logger().info("slot.renamed", name=SLOT_PASSWORD)
    assert len(leaks(product_log.getvalue())) == 1
    product_log.truncate(0)
