"""Ring 1: what every part may use. Standard library and msgspec only; knows nobody."""
