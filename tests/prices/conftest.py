from tests.support.fixtures import accounts, clock, database, passwords

__all__ = ["accounts", "clock", "database", "passwords"]
