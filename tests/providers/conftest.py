from tests.support.imaging import imaging

__all__ = ["imaging"]
