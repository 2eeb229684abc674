"""Pictures: told apart, decoded in worker processes that can be killed, made ready for providers and for the web."""
