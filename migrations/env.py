"""Called by `adapters/db/migrate.py` with a connection of its own."""

from alembic import context

from photochanger.adapters.db.registry import compare_type, metadata

connection = context.config.attributes["connection"]
is_embedded = connection.dialect.name == "sqlite"
context.configure(
    connection=connection,
    target_metadata=metadata,
    compare_type=compare_type,
    compare_server_default=True,
    render_as_batch=is_embedded,
    transaction_per_migration=not is_embedded,  # an index made concurrently stands in no transaction
)
with context.begin_transaction():
    context.run_migrations()
