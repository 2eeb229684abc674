"""The files of a deployment agree with each other. What they do in an engine is nothing a test here can see."""

import json
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from photochanger.cli import main
from photochanger.config import Config

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
OURS = ("app", "migrate", "storage-init")
VARIABLES = {str(field.validation_alias) for field in Config.model_fields.values()}
OF_OTHERS = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PATH", "CREDENTIALS_DIRECTORY"}
"""What Python, the shell and `load_config` itself ask for."""


@pytest.fixture
def secrets(tmp_path):
    """A folder of secrets as `scripts/secrets` makes it in a checkout."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/secrets", tmp_path / "scripts")
    subprocess.run([tmp_path / "scripts/secrets"], check=True, capture_output=True)
    return tmp_path / "secrets"


def contents(folder):
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_every_secret_that_is_mounted_is_made(secrets):
    mounted = {name for service in COMPOSE["services"].values() for name in service.get("secrets", [])}
    assert {name: secret["file"] for name, secret in COMPOSE["secrets"].items()} == {
        name: f"./secrets/{name}" for name in contents(secrets)
    }
    assert mounted == set(contents(secrets))


def test_secrets_are_behind_a_closed_door_and_readable_in_a_container(secrets):
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in secrets.iterdir()} == {0o644}


def test_both_sides_of_a_connection_know_the_same_secret(secrets):
    made = {name: text.strip() for name, text in contents(secrets).items()}
    assert f":{made['POSTGRES_PASSWORD']}@db/" in made["DATABASE_URL"]
    [identity] = json.loads(made["s3.json"])["identities"]
    assert identity["credentials"] == [{"accessKey": made["S3_ACCESS_KEY"], "secretKey": made["S3_SECRET_KEY"]}]
    assert len({made[name] for name in ("JWT_SIGNING_KEY", "POSTGRES_PASSWORD", "S3_SECRET_KEY")}) == 3
    assert len(made["JWT_SIGNING_KEY"]) == 64


def test_a_secret_is_never_replaced(secrets):
    (secrets / "S3_SECRET_KEY").unlink()
    before = contents(secrets)
    subprocess.run([secrets.parent / "scripts/secrets"], check=True, capture_output=True)
    assert before.items() <= contents(secrets).items()
    assert "S3_SECRET_KEY" in contents(secrets)


def test_every_image_has_its_version():
    images = [service["image"] for service in COMPOSE["services"].values()] + re.findall(
        r"^FROM (\S+)", DOCKERFILE, re.MULTILINE
    )
    assert all(re.search(r":\d", image) for image in images)


def test_the_product_starts_on_a_migrated_database_and_a_bucket_that_is_there():
    waits = {
        name: {other: how["condition"] for other, how in COMPOSE["services"][name]["depends_on"].items()}
        for name in OURS
    }
    assert waits["app"] == dict.fromkeys(("migrate", "storage-init"), "service_completed_successfully")
    assert waits["migrate"] == {"db": "service_healthy"}
    assert waits["storage-init"]["s3"] == "service_healthy"


def test_the_product_has_no_more_rights_than_it_needs():
    for name in OURS:
        service = COMPOSE["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    assert COMPOSE["services"]["app"]["ports"] == ["127.0.0.1:8000:8000"]
    assert not any(COMPOSE["services"][name].get("ports") for name in ("db", "s3"))
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", DOCKERFILE, re.MULTILINE)


def test_the_vendors_stand_ins_start_only_when_asked_for_and_know_no_secret():
    vendors = COMPOSE["services"]["vendors"]
    assert vendors["profiles"] == ["vendors"]
    assert not any(vendors.get(name) for name in ("ports", "secrets", "environment", "volumes"))
    assert vendors["networks"] == ["inside"]


def test_the_image_is_built_of_what_docker_may_see():
    """Everything is ignored but a list; a COPY of something else would fail in the engine only."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        name for names in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in names.split()
    }
    assert "*" in lines
    assert copied == allowed
    assert all((ROOT / name).exists() for name in allowed)


def test_what_the_product_is_told_in_containers_are_variables_that_it_knows():
    """One it does not know would be ignored without a word."""
    for name in OURS:
        service = COMPOSE["services"][name]
        assert {*service["environment"], *service["secrets"]} <= VARIABLES
    [block] = re.findall(r"^ENV (.+?[^\\])$", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"([A-Z_]+)=", block)) <= VARIABLES | OF_OTHERS
    interpolated = re.findall(r"\$\{([A-Z_]+)", (ROOT / "compose.yaml").read_text(encoding="utf-8"))
    assert interpolated
    assert set(interpolated) <= VARIABLES


def test_the_other_images_are_told_what_they_know():
    """Of PostgreSQL's image, as its page names them; every secret that it reads is mounted."""
    database = COMPOSE["services"]["db"]
    known = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD_FILE", "POSTGRES_INITDB_ARGS"}
    assert set(database["environment"]) <= known
    assert database["environment"]["POSTGRES_PASSWORD_FILE"] == f"/run/secrets/{database['secrets'][0]}"
    store = COMPOSE["services"]["s3"]
    assert f"-s3.config=/run/secrets/{store['secrets'][0]}" in store["entrypoint"]
    assert "environment" not in store


def test_deploying_names_variables_that_exist():
    named = set(re.findall(r"`(?:secrets/)?([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)[`=]", PAGE))
    assert "DATABASE_URL" in named
    assert named <= VARIABLES | set(COMPOSE["secrets"])


def test_deploying_names_commands_that_exist():
    said = [
        *re.findall(
            r"(?:docker compose run --rm(?: -T)? app|bin/photochanger|`photochanger|^photochanger) (.+)$",
            PAGE,
            re.MULTILINE,
        ),
        *re.findall(r"`((?:doctor|cleanup|reconcile|migrate|serve|storage|slots|accounts)(?: [^`]*)?)`", PAGE),
    ]
    assert len(said) > 10
    for line in said:
        check_command(line.split("`")[0].split())
    for name in OURS[1:]:
        check_command(COMPOSE["services"][name]["command"])


def check_command(words: list[str]) -> None:
    """The command is there, and has every option."""
    command: click.Command = main
    while isinstance(command, click.Group):
        assert words[0] in command.commands, words
        command, words = command.commands[words[0]], words[1:]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options, words
