"""The command line: `photochanger`. Commands work beside a running server, which follows within a second."""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import click
from sqlalchemy.ext.asyncio import AsyncEngine

from photochanger.adapters import system_log
from photochanger.adapters.credentials_file import CredentialsFile, CredentialsFileBroken
from photochanger.adapters.db.migrate import SchemaBehind, use_schema
from photochanger.adapters.db.migrate import migrate as migrate_database
from photochanger.adapters.db.session import DatabaseUnavailable
from photochanger.adapters.secrets import SecretUnusable
from photochanger.adapters.storage.examination import Step
from photochanger.adapters.storage.store import StorageUnavailable
from photochanger.app import create_app
from photochanger.assembly import Parts
from photochanger.assets import assets
from photochanger.booth.commands import tools
from photochanger.booth.options import OK, PROBLEMS, fail, first_line
from photochanger.config import Config, ConfigError, load_config
from photochanger.core.errors import Problem
from photochanger.features.audit.schemas import Actor
from photochanger.features.clock.service import ADVICE, sentence
from photochanger.features.maintenance.doctor import Finding
from photochanger.features.maintenance.reconcile import Reconciled
from photochanger.vendors.app import serve_vendors
from photochanger.web.log import configure
from photochanger.web.server import run

T = TypeVar("T")
Prepare = Callable[[AsyncEngine, Path], Awaitable[None]]

password_option = click.option(
    "--password-stdin", is_flag=True, required=True, help="Read the password from the first line of standard input."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="photochanger")
def main() -> None:
    """A photo in by one HTTP POST, the transformed photo out in the same answer."""


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for the network.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
def serve(host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM. Migrates the embedded database itself."""
    _run(_nothing)  # says in one line what a server would say in a traceback
    config = _config()
    name = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 – a comparison
    try:
        CredentialsFile(config.runtime_credentials_file).read()
        app = create_app(config, base_url=f"http://{name}:{port}")
    except (SecretUnusable, CredentialsFileBroken) as reason:
        fail(str(reason))
    run(app, host, port, app.state.parts.drain)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8100, show_default=True, type=click.IntRange(1, 65535))
def vendors(host: str, port: int) -> None:
    """Stand in for the cloud vendors, to try the product without a key; says what settings lead there."""
    serve_vendors(host, port, click.echo)


@main.command()
def migrate() -> None:
    """Bring the database's schema to the newest version."""
    _run(_nothing, prepare=migrate_database)
    click.echo("The schema is up to date.")


@main.group()
def accounts() -> None:
    """Who may sign in."""


@accounts.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice(["admin", "operator", "member"]), required=True)
@password_option
def create_account(name: str, role: str, *, password_stdin: bool) -> None:  # noqa: ARG001 – the flag says where from
    """Make an account."""
    password = first_line(sys.stdin)
    _run(lambda parts: parts.accounts.create(name, password, role, Actor.command_line()))
    click.echo(f"{name} may sign in as {role}.")


@accounts.command("set-password")
@click.argument("name")
@password_option
def set_account_password(name: str, *, password_stdin: bool) -> None:  # noqa: ARG001
    """Give an account a new password; ends its sessions."""
    password = first_line(sys.stdin)
    _run(lambda parts: parts.accounts.set_password(name, password, Actor.command_line()))
    click.echo(f"{name} has a new password.")


@accounts.command("disable")
@click.argument("name")
def disable_account(name: str) -> None:
    """Keep an account from signing in; ends its sessions."""
    _run(lambda parts: parts.accounts.disable(name, Actor.command_line()))
    click.echo(f"{name} may not sign in any more.")


@accounts.command("list")
def list_accounts() -> None:
    """One line for each account; nothing where there is none."""
    for account in _run(lambda parts: parts.accounts.list_accounts()):
        state = "disabled" if account.disabled_at else "enabled"
        click.echo(f"{account.username}\t{account.role}\t{state}\t{account.origin}")


@main.group()
def slots() -> None:
    """The ingest addresses."""


@slots.command("list")
def list_slots() -> None:
    """One line for each slot."""
    for slot in _run(lambda parts: parts.slots.list_page(limit=1000)):
        state = "enabled" if slot.enabled else "disabled"
        password = "password" if slot.password_hash else "no password"
        steps = " > ".join(f"{step.provider}:{step.operation}" for step in slot.config.chain)
        click.echo(f"{slot.slot_id}\t{state}\t{password}\t{steps}\t{slot.name}")


@slots.command("set-password")
@click.argument("slot")
@password_option
def set_slot_password(slot: str, *, password_stdin: bool) -> None:  # noqa: ARG001
    """Give a slot the password that senders need."""
    password = first_line(sys.stdin)
    _run(lambda parts: parts.slots.set_password(slot, password, Actor.command_line()))
    click.echo(f"{slot} has a new password.")


@main.command()
@click.option("--dry-run", is_flag=True, help="Only count what is due.")
@click.option("--syslog", is_flag=True, help="Tell the system log, not the terminal.")
def cleanup(*, dry_run: bool, syslog: bool) -> None:
    """Delete what is over. Fit for cron: 0 all gone, 1 something could not be deleted, 2 could not run."""

    async def clean(parts: Parts) -> tuple[str, int]:
        found = await (parts.retention.count_due() if dry_run else parts.retention.evict_expired())
        verb = "would be deleted" if dry_run else "deleted"
        text = f"{found.count} objects {verb}, {found.freed_bytes} bytes"
        return (f"{text}; {found.failed} could not be deleted" if found.failed else text), found.failed

    text, failed = _run(clean)
    unheard = None
    if syslog:
        unheard = system_log.tell(text, logging.ERROR if failed else logging.INFO)
    if unheard:
        click.echo(unheard, err=True)
    if unheard or not syslog:
        click.echo(text)
    sys.exit(PROBLEMS if failed or unheard else OK)


@main.command()
@click.option("--accept-clock", is_flag=True, help="Confirm first that this machine's clock is right.")
def reconcile(*, accept_clock: bool) -> None:
    """Close what a crash left behind: jobs, uploads, objects without a row."""

    async def work(parts: Parts) -> tuple[Reconciled, timedelta | None]:
        if accept_clock:
            await parts.clock_watch.accept(Actor.command_line())
        return await parts.reconciler.reconcile(whole_store=True), await parts.clock_watch.moved()

    done, moved = _run(work)
    for name in done.__struct_fields__:
        click.echo(f"{name.replace('_', ' ')}: {getattr(done, name)}")
    if moved is not None:
        click.echo(f"{sentence(moved)} {ADVICE}", err=True)
    sys.exit(PROBLEMS if done.objects_missing or moved is not None else OK)


@main.command()
def doctor() -> None:
    """Look at everything the product stands on, and say what to do."""
    findings = _run(lambda parts: parts.doctor.examine(), prepare=None)
    for finding in findings:
        _tell_finding(finding)
    sys.exit(OK if all(finding.ok for finding in findings) else PROBLEMS)


@main.group()
def stats() -> None:
    """Statistics and the ledger of costs."""


@stats.command("rebuild")
def rebuild_stats() -> None:
    """Count all hours anew from the jobs."""
    _run(lambda parts: parts.rollup.rebuild())
    click.echo("Every hour that is over was counted anew.")


@stats.command("recompute")
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]))
def recompute_costs(day: datetime) -> None:
    """Write a day's costs anew, as the price table has them now."""
    changed = _run(lambda parts: parts.ledger.recompute(day.date()))
    click.echo(f"{changed} jobs cost something else now.")


@main.group()
def storage() -> None:
    """Where photos are kept."""


@storage.command("check")
def check_storage() -> None:
    """Do everything to the store that the product does, and say what to do where it fails."""

    async def check(parts: Parts) -> bool:
        is_well = True
        async for step in parts.examination().run():
            _tell_finding(step)
            is_well = is_well and step.ok
        return is_well

    sys.exit(OK if _run(check, prepare=None) else PROBLEMS)


@storage.command("init")
def init_storage() -> None:
    """Make the bucket and its rules. Safe to repeat."""

    async def init(parts: Parts) -> None:
        async for done in parts.prepare_store():
            click.echo(done)

    _run(init, prepare=None)


def _tell_finding(finding: Finding | Step) -> None:
    click.echo(f"{'ok  ' if finding.ok else 'BAD '} {finding.name}: {finding.says}")
    if finding.advice:
        click.echo(f"     → {finding.advice}")


def _config() -> Config:
    try:
        config = load_config()
    except ConfigError as error:
        fail("\n".join(error.mistakes))
    configure(config.log_level, config.log_format)
    return config


def _run(work: Callable[[Parts], Awaitable[T]], *, prepare: Prepare | None = use_schema) -> T:
    """Does `work` with the product's services on an up-to-date schema; a problem becomes one line and exit code 2."""
    config = _config()

    async def with_parts() -> T:
        parts = Parts(config)
        try:
            if prepare is not None:
                await prepare(parts.database.engine, assets("migrations"))
            return await work(parts)
        finally:
            await parts.close()

    try:
        return asyncio.run(with_parts())
    except Problem as problem:
        mistakes = [f"{error.field} {error.message}" for error in problem.members.get("errors", [])]
        if isinstance(problem, DatabaseUnavailable | StorageUnavailable):
            fail(f"{problem.title}: {problem.reason}. `photochanger doctor` says what to do.")
        fail("; ".join(mistakes) or problem.detail)
    except (SecretUnusable, CredentialsFileBroken, SchemaBehind) as reason:
        fail(str(reason))


async def _nothing(_: Parts) -> None:
    """Preparing the database is what `_run` does first anyway."""


for tool in tools.commands.values():
    main.add_command(tool)
