from tests.support.fixtures import clock, database

__all__ = ["clock", "database"]
