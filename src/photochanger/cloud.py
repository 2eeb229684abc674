"""The cloud providers as the configuration describes them. Only those with a key are offered."""

from collections.abc import Iterable

from pydantic import SecretStr

from photochanger.adapters.credentials_file import CredentialsFile
from photochanger.adapters.providers.driver import Driver
from photochanger.adapters.providers.gemini import Gemini
from photochanger.adapters.providers.http import VendorHttp
from photochanger.adapters.providers.openai import OpenAI
from photochanger.adapters.providers.turbotext import OWN_HOSTS, Turbotext
from photochanger.adapters.providers.vendor import Key, Vendor, base_address
from photochanger.config import Config
from photochanger.core.clock import Clock


def cloud_drivers(config: Config, file: CredentialsFile, clock: Clock) -> Iterable[Driver]:
    http = VendorHttp(clock, config.provider_allowed_hosts)

    def key(name: str, configured: SecretStr | None) -> Key:
        """The file's comes first, so that a key can be exchanged while the product runs."""

        def current() -> str | None:
            found = file.current.providers.get(name)
            if found is not None:
                return found.api_key
            return configured.get_secret_value() if configured else None

        return current

    gemini = Vendor(base_address(config.gemini_base_url), key("gemini", config.gemini_api_key))
    openai = Vendor(base_address(config.openai_base_url, suffix="/v1"), key("openai", config.openai_api_key))
    turbotext = Vendor(
        base_address(config.turbotext_base_url), key("turbotext", config.turbotext_api_key), own_hosts=OWN_HOSTS
    )
    return [
        Gemini(http, gemini, config.gemini_model),
        Turbotext(http, turbotext),
        OpenAI(http, openai, config.openai_model),
    ]
