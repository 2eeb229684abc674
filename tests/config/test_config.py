from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import ValidationError

from photochanger.config import Config, ConfigError, load_config
from photochanger.configured import s3_settings


def load(**environ: str) -> Config:
    return load_config(environ, env_file=None)


def mistakes(**environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(**environ)
    return caught.value.mistakes


def test_nothing_needs_to_be_set(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    config = load()
    assert config.data_dir == tmp_path / "data"
    assert config.database_url == f"sqlite+aiosqlite:///{tmp_path}/data/photochanger.db"
    assert (config.sync_response_seconds, config.result_ttl_hours, config.upload_limit_mb) == (50, 72, 50)
    assert (config.rate_limit_ingest_rps, config.rate_limit_ingest_burst) == (20, 100)
    assert [config.public_base_url, config.jwt_signing_key, config.metrics_token] == [None, None, None]
    assert list(tmp_path.iterdir()) == []


def test_every_mistake_is_reported_with_its_variable_and_what_would_be_right():
    found = mistakes(
        SYNC_RESPONSE_SECONDS="5",
        RESULT_TTL_HOURS="721",
        UPLOAD_LIMIT_MB="many",
        LOG_LEVEL="loud",
        METRICS_TOKEN="short",
    )
    assert found == [
        "SYNC_RESPONSE_SECONDS is 5; it must be a whole number from 10 to 60",
        "RESULT_TTL_HOURS is 721; it must be a whole number from 1 to 720",
        "UPLOAD_LIMIT_MB is many; it must be a whole number from 1 to 2048",
        "METRICS_TOKEN cannot be used; it must be at least 16 visible ASCII characters",
        "LOG_LEVEL is loud; it must be debug, info, warning or error",
    ]


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("SYNC_RESPONSE_SECONDS", 10, 60), ("RESULT_TTL_HOURS", 1, 720), ("UPLOAD_LIMIT_MB", 1, 2048)],
)
def test_the_ends_of_a_range_belong_to_it(name, low, high):
    assert getattr(load(**{name: str(low)}), name.lower()) == low
    assert getattr(load(**{name: str(high)}), name.lower()) == high
    assert len(mistakes(**{name: str(low - 1)})) == len(mistakes(**{name: str(high + 1)})) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RATE_LIMIT_INGEST_RPS", "0"),
        ("RATE_LIMIT_INGEST_RPS", "inf"),
        ("RATE_LIMIT_INGEST_RPS", "nan"),
        ("RATE_LIMIT_INGEST_BURST", "0"),
        ("RATE_LIMIT_INGEST_BURST", "1.5"),
        ("MEDIA_STORAGE_PROVIDER", "ftp"),
        ("LOG_FORMAT", "xml"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,proxy.example.com"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
    ],
)
def test_a_wrong_value_is_refused(name, value):
    assert mistakes(**{name: value})[0].startswith(f"{name} is {value}; it must be ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JWT_SIGNING_KEY", "canary-of-31-bytes-0123456789ab"),
        ("JWT_SIGNING_KEY_PREVIOUS", "canary-of-31-bytes-0123456789ab"),
        ("METRICS_TOKEN", "canary canary canary"),
        ("DATABASE_URL", "mysql://photos:canary@db/photos"),
    ],
)
def test_a_secrets_value_is_in_no_mistake(name, value):
    [found] = mistakes(**{name: value})
    assert found.startswith(f"{name} cannot be used; it must be ")
    assert "canary" not in found


def test_secrets_are_in_no_repr():
    config = load(JWT_SIGNING_KEY="canary" * 8, METRICS_TOKEN="canary" * 8)
    assert config.jwt_signing_key is not None
    assert config.jwt_signing_key.get_secret_value() == "canary" * 8
    assert "canary" not in repr(config) + str(config)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://photos.example.com", "https://photos.example.com"),
        ("HTTPS://Photos.Example.com:443/", "https://photos.example.com"),
        ("http://192.168.1.5:8000", "http://192.168.1.5:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_the_public_address_is_kept_as_a_browser_spells_an_origin(given, kept):
    assert load(PUBLIC_BASE_URL=given).public_base_url == kept


@pytest.mark.parametrize(
    "given",
    [
        "photos.example.com",
        "ftp://photos.example.com",
        "https://photos.example.com/gallery",
        "https://photos.example.com//",
        "https://photos.example.com?",
        "https://photos.example.com/#a",
        "https://me:secret@photos.example.com",
        "https://photos.example.com:99999",
        "https://photos example.com",
        "https://",
    ],
)
def test_what_is_no_origin_is_no_public_address(given):
    assert mistakes(PUBLIC_BASE_URL=given)[0].endswith("like https://photos.example.com, without a path")


@pytest.mark.parametrize("given", ["sqlite:////srv/p.db", "sqlite+aiosqlite:////srv/p.db"])
def test_a_sqlite_address_gets_the_async_driver(given):
    assert load(DATABASE_URL=given).database_url == "sqlite+aiosqlite:////srv/p.db"


@pytest.mark.parametrize("given", ["postgresql://me:pa%40ss@db:5433/p", "postgresql+asyncpg://me:pa%40ss@db:5433/p"])
def test_a_postgresql_address_gets_the_async_driver(given):
    assert load(DATABASE_URL=given).database_url == "postgresql+asyncpg://me:pa%40ss@db:5433/p"
    assert load(DATABASE_URL=given + "?sslmode=require").database_url.endswith("/p?ssl=require")
    assert "pa%40ss" not in repr(load(DATABASE_URL=given))


@pytest.mark.parametrize(
    "given",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "mysql://db/photos",
        "photos.db",
        "postgresql://db",
        "postgresql+psycopg://db/p",
        "postgresql://db/p?x=1",
    ],
)
def test_a_database_of_another_kind_is_refused(given):
    assert "it must be like postgresql://" in mistakes(DATABASE_URL=given)[0]


def test_proxies_are_addresses_and_networks():
    config = load(TRUSTED_PROXIES="10.0.0.5, 192.168.0.0/16,::1")
    assert config.trusted_proxies == (ip_network("10.0.0.5"), ip_network("192.168.0.0/16"), ip_network("::1"))


def test_paths_begin_at_home_or_in_the_working_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert load(PHOTOCHANGER_DATA_DIR="~/photos").data_dir == Path.home() / "photos"
    assert load(RUNTIME_CREDENTIALS_FILE="keys.json").runtime_credentials_file == tmp_path / "keys.json"


def test_the_environment_wins_over_the_file_and_an_empty_value_is_none(tmp_path):
    file = tmp_path / ".env"
    file.write_text("RESULT_TTL_HOURS=1\nUPLOAD_LIMIT_MB=2\nSYNC_RESPONSE_SECONDS=\nTRUSTED_PROXIES=::1\nUNKNOWN=1\n")
    config = load_config({"RESULT_TTL_HOURS": "3", "UPLOAD_LIMIT_MB": "", "ANOTHER": "1"}, env_file=file)
    assert (config.result_ttl_hours, config.upload_limit_mb, config.sync_response_seconds) == (3, 2, 50)
    assert config.trusted_proxies == (ip_network("::1"),)


def test_a_mistake_in_the_file_is_reported_like_one_in_the_environment(tmp_path):
    file = tmp_path / ".env"
    file.write_text("RESULT_TTL_HOURS=0\n")
    with pytest.raises(ConfigError, match="RESULT_TTL_HOURS is 0; it must be a whole number from 1 to 720"):
        load_config({}, env_file=file)


def test_a_file_in_another_encoding_is_a_mistake(tmp_path):
    file = tmp_path / ".env"
    file.write_bytes(b"METRICS_TOKEN=\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config({}, env_file=file)


def test_a_variable_may_be_a_file_of_its_name_in_the_credentials_directory(tmp_path):
    (tmp_path / "JWT_SIGNING_KEY").write_text("canary" * 8 + "\n")
    (tmp_path / "another").write_bytes(b"\xff")
    config = load(CREDENTIALS_DIRECTORY=str(tmp_path), JWT_SIGNING_KEY="")
    assert config.jwt_signing_key is not None
    assert config.jwt_signing_key.get_secret_value() == "canary" * 8


def test_the_environment_wins_over_a_secret_file(tmp_path):
    (tmp_path / "RESULT_TTL_HOURS").write_text("1")
    assert load(CREDENTIALS_DIRECTORY=str(tmp_path), RESULT_TTL_HOURS="2").result_ttl_hours == 2


@pytest.mark.parametrize("content", ["canary", ""])
def test_a_mistake_in_a_secret_file_is_reported_without_its_value(tmp_path, content):
    """An empty one too: who mounts a secret means it."""
    (tmp_path / "JWT_SIGNING_KEY").write_text(content)
    [found] = mistakes(CREDENTIALS_DIRECTORY=str(tmp_path))
    assert found == "JWT_SIGNING_KEY cannot be used; it must be at least 32 bytes long"


def test_a_secret_file_that_may_not_be_read_is_named(monkeypatch, tmp_path):
    def refused(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    secret = tmp_path / "JWT_SIGNING_KEY"
    secret.touch()
    monkeypatch.setattr(Path, "read_text", refused)  # root may read everything
    assert mistakes(CREDENTIALS_DIRECTORY=str(tmp_path)) == [f"{secret} cannot be read: PermissionError"]


def test_a_secret_file_in_another_encoding_is_a_mistake(tmp_path):
    (tmp_path / "JWT_SIGNING_KEY").write_bytes(b"canary\xff" * 8)
    assert mistakes(CREDENTIALS_DIRECTORY=str(tmp_path)) == [
        f"a secret in {tmp_path} cannot be read: UnicodeDecodeError"
    ]


def test_a_credentials_directory_that_is_not_there_is_an_empty_one(tmp_path):
    """The image names its folder also for those who mount no secret."""
    assert load(CREDENTIALS_DIRECTORY=str(tmp_path / "none")).jwt_signing_key is None


def test_the_process_environment_and_the_file_in_the_working_directory_are_read_by_default(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("UPLOAD_LIMIT_MB=7\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESULT_TTL_HOURS", "5")
    monkeypatch.delenv("UPLOAD_LIMIT_MB", raising=False)
    config = load_config()
    assert (config.result_ttl_hours, config.upload_limit_mb) == (5, 7)


def test_the_settings_are_frozen():
    with pytest.raises(ValidationError):
        load().upload_limit_mb = 1


S3 = {
    "MEDIA_STORAGE_PROVIDER": "s3",
    "S3_ENDPOINT": "s3.example.com:9000",
    "S3_BUCKET": "photos",
    "S3_ACCESS_KEY": "canary-key",
    "S3_SECRET_KEY": "canary-secret",
}


def test_s3_needs_an_address_a_bucket_and_keys_and_says_so_at_once():
    found = mistakes(MEDIA_STORAGE_PROVIDER="s3", RESULT_TTL_HOURS="0")
    missing = ["S3_ENDPOINT", "S3_BUCKET", "S3_ACCESS_KEY", "S3_SECRET_KEY"]
    assert [mistake.split()[0] for mistake in found] == [*missing, "RESULT_TTL_HOURS"]
    assert found[2] == "S3_ACCESS_KEY is missing; it must be set where MEDIA_STORAGE_PROVIDER is s3"
    assert load(S3_BUCKET="photos").s3_access_key is None


@pytest.mark.parametrize(
    ("endpoint", "use_ssl", "address"),
    [
        ("s3.example.com:9000", "true", "https://s3.example.com:9000"),
        ("s3.example.com:9000", "false", "http://s3.example.com:9000"),
        ("http://s3.example.com", "true", "http://s3.example.com"),
        ("HTTPS://s3.example.com/", "false", "https://s3.example.com"),
    ],
)
def test_a_scheme_in_the_address_wins(endpoint, use_ssl, address):
    settings = s3_settings(load(**S3 | {"S3_ENDPOINT": endpoint, "S3_USE_SSL": use_ssl}))
    assert (settings.endpoint, settings.presign_endpoint) == (address, address)


def test_guests_may_have_an_address_of_their_own():
    settings = s3_settings(load(**S3, S3_PRESIGN_ENDPOINT="http://10.0.0.5:9000", S3_PREFIX="studio-1/"))
    assert settings.endpoint == "https://s3.example.com:9000"
    assert (settings.presign_endpoint, settings.prefix) == ("http://10.0.0.5:9000", "studio-1/")
    assert settings.budget_bytes == 128 * 1024 * 1024
    assert "canary" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("S3_ENDPOINT", "ftp://s3.example.com"),
        ("S3_ENDPOINT", "https://s3.example.com/photos"),
        ("S3_PRESIGN_ENDPOINT", "user@s3"),
        ("S3_BUCKET", "a/b"),
        ("S3_PREFIX", "studio"),
        ("S3_PREFIX", "../"),
        ("S3_ADDRESSING", "host"),
        ("S3_USE_SSL", "perhaps"),
        ("S3_UPLOAD_MEMORY_MB", "7"),
        ("MEDIA_PRESIGNED_EXPIRES_SECONDS", "0"),
    ],
)
def test_a_wrong_s3_value_is_refused(name, value):
    assert mistakes(**S3 | {name: value})[0].startswith(f"{name} is {value}; it must be ")


def test_vendors_are_where_their_documents_say_and_have_no_key():
    config = load()
    assert config.gemini_base_url == "https://generativelanguage.googleapis.com"
    assert config.turbotext_base_url == "https://www.turbotext.ru/api_ai"
    assert config.openai_base_url == "https://api.openai.com/v1"
    assert [config.gemini_api_key, config.turbotext_api_key, config.openai_api_key] == [None, None, None]
    assert config.provider_allowed_hosts == ()


def test_allowed_hosts_are_names_and_addresses_as_they_stand_in_an_address():
    config = load(PROVIDER_ALLOWED_HOSTS="Vendors, 127.0.0.1,10.0.0.7:8100,::1,[fd00::1]")
    assert config.provider_allowed_hosts == ("vendors", "127.0.0.1", "10.0.0.7:8100", "::1", "fd00::1")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GEMINI_BASE_URL", "generativelanguage.googleapis.com"),
        ("OPENAI_BASE_URL", "https://api.openai.com/v1?key=1"),
        ("TURBOTEXT_BASE_URL", "https://me:secret@turbotext.ru"),
        ("GEMINI_MODEL", "a/../b"),
        ("OPENAI_MODEL", "a b"),
        ("PROVIDER_ALLOWED_HOSTS", "http://vendors"),
        ("PROVIDER_ALLOWED_HOSTS", "vendors,"),
    ],
)
def test_a_wrong_vendor_is_refused(name, value):
    assert mistakes(**{name: value})[0].startswith(f"{name} is {value}; it must be ")


@pytest.mark.parametrize("name", ["GEMINI_API_KEY", "TURBOTEXT_API_KEY", "OPENAI_API_KEY"])
def test_a_key_is_visible_ascii_and_in_no_mistake_and_no_repr(name):
    assert mistakes(**{name: "canary\nx"}) == [f"{name} cannot be used; it must be visible ASCII characters"]
    assert "canary" not in repr(load(**{name: "canary-key"}))
