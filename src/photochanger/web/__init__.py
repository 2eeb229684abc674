"""Ring 3: the HTTP kit on Litestar. Knows no feature."""
