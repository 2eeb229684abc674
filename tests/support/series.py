"""One product for many tests, with the provider they tell what to do."""

from typing import NamedTuple

from tests.support.drivers import FakeDriver
from tests.support.product import Product


class Series(NamedTuple):
    product: Product
    driver: FakeDriver
