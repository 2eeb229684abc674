"""Ring 2: the outside world. Knows no feature and no HTTP of ours."""
