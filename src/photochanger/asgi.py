"""The application for servers: `uvicorn photochanger.asgi:app`. `photochanger serve` also sets the server up."""

from photochanger.app import create_app
from photochanger.config import load_config
from photochanger.web.log import configure

config = load_config()
configure(config.log_level, config.log_format)
app = create_app(config)
