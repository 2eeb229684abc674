"""What a call costs, by the table and by what the vendor told of its work."""

from datetime import UTC, datetime

import pytest

from photochanger.features.prices.models import Price
from photochanger.features.prices.service import PriceBook

EARLY = datetime(2025, 1, 1, tzinfo=UTC)
CHANGE = datetime(2026, 11, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 21, tzinfo=UTC)
GEMINI_USAGE = {
    "promptTokenCount": 270,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 12}, {"modality": "IMAGE", "tokenCount": 258}],
    "candidatesTokenCount": 1290,
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
    "thoughtsTokenCount": 100,
}
OPENAI_USAGE = {
    "input_tokens": 50,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    "output_tokens": 1000,
    "total_tokens": 1050,
}


def book(*prices: tuple[str, str, int] | tuple[str, str, int, str, datetime]) -> PriceBook:
    rows = [(*price, "", EARLY)[:5] if len(price) == 3 else price for price in prices]
    return PriceBook(
        Price(provider=provider, unit=unit, micros=micros, model=model, valid_from=since)
        for provider, unit, micros, model, since in rows
    )


def test_a_delivered_picture_costs_its_price_and_an_answer_without_one_nothing():
    prices = book(("gemini", "image", 34_000))
    assert prices.cost("gemini", "m", None, NOW) == 34_000
    assert prices.cost("gemini", "m", GEMINI_USAGE, NOW) == 34_000  # no price by tokens
    assert prices.cost("gemini", "m", None, NOW, has_image=False) == 0


def test_what_no_price_says_is_unknown():
    prices = book(("gemini", "image", 34_000))
    assert prices.cost("turbotext", None, None, NOW) is None
    assert prices.cost("gemini", "m", None, EARLY.replace(year=2024)) is None


def test_a_price_holds_from_its_moment_until_the_next_one():
    prices = book(("v", "image", 200, "", CHANGE), ("v", "image", 100, "", EARLY))
    assert prices.cost("v", None, None, CHANGE.replace(month=10, day=31)) == 100
    assert prices.cost("v", None, None, CHANGE) == 200


def test_a_model_of_its_own_price_pays_that_one_however_old_it_is():
    prices = book(("v", "image", 100, "", CHANGE), ("v", "image", 70, "cheap", EARLY))
    assert prices.cost("v", "cheap", None, NOW) == 70
    assert prices.cost("v", "dear", None, NOW) == 100


def test_a_size_of_its_own_price_pays_that_one():
    prices = book(("gemini", "image", 34_000), ("gemini", "image:4K", 240_000))
    assert prices.cost("gemini", "m", {"image_size": "4K"}, NOW) == 240_000
    assert prices.cost("gemini", "m", {"image_size": "1K"}, NOW) == 34_000


@pytest.mark.parametrize(
    ("usage", "micros"),
    [
        (GEMINI_USAGE, 12 * 300 + 258 * 500 + 1290 * 30_000 + 100 * 2_500),
        (OPENAI_USAGE, 10 * 300 + 40 * 500 + 1000 * 2_500),
    ],
)
def test_tokens_count_where_the_table_prices_them_and_the_answer_tells_them(usage, micros):
    prices = book(
        ("v", "image", 34_000),
        ("v", "1k_input_tokens", 300),
        ("v", "1k_input_image_tokens", 500),
        ("v", "1k_output_tokens", 2_500),
        ("v", "1k_output_image_tokens", 30_000),
    )
    assert prices.cost("v", "m", usage, NOW) == (micros + 500) // 1000
    assert prices.cost("v", "m", None, NOW) == 34_000
    assert prices.cost("v", "m", {"image_size": "1K"}, NOW) == 34_000


def test_a_vendor_that_bills_every_call_is_paid_without_a_picture_too():
    prices = book(("v", "call", 1_000), ("v", "image", 5_000))
    assert prices.cost("v", None, None, NOW) == 6_000
    assert prices.cost("v", None, None, NOW, has_image=False) == 1_000


@pytest.mark.parametrize(
    "usage",
    [
        {"promptTokenCount": "many", "candidatesTokenCount": -5},
        {"input_tokens": None, "output_tokens_details": 7},
        {"promptTokenCount": True, "promptTokensDetails": [3, {"modality": "TEXT"}]},
    ],
)
def test_usage_that_makes_no_sense_costs_the_picture_or_at_most_nothing_more(usage):
    prices = book(("v", "image", 34_000), ("v", "1k_input_tokens", 300))
    assert prices.cost("v", "m", usage, NOW) in (34_000, 0)
