"""Alembic's entry: connects as .env says. The URL is an object, since a text would mangle `%`."""

from logging.config import fileConfig

from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from store.settings import read_database
from store.tables import Base

if context.config.config_file_name is not None:
    fileConfig(context.config.config_file_name)


def run_online() -> None:
    engine = create_engine(read_database().url(), poolclass=NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata)
        with context.begin_transaction():
            context.run_migrations()


def run_offline() -> None:
    context.configure(dialect_name="postgresql", target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
