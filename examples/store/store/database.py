"""The engine of the app."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from store.settings import read_database


def make_engine() -> AsyncEngine:
    # pre_ping: the compute may have gone to sleep, or the branch may have been reset, since last time.
    engine = create_async_engine(read_database().url(), pool_pre_ping=True, pool_size=5)

    @event.listens_for(engine.sync_engine, "do_connect")
    def use_newest_credential(
        _dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]
    ) -> None:
        database = read_database()
        parameters["user"] = database.user
        parameters["password"] = database.password

    return engine
