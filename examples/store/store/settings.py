"""Where the database is: libpq's own variable names, from the environment or from the file .env.

The script lakebase-branch.sh writes .env. It is read again for each new connection, so that a
credential that the script has refreshed is used without a restart of the app.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values
from sqlalchemy import URL

ENV_FILE = Path(__file__).resolve().parent.parent / ".env"


class SettingsError(Exception):
    """Something that the person who starts the app can put right."""


@dataclass(frozen=True, repr=False)
class Database:
    host: str
    port: int
    name: str
    user: str
    password: str
    sslmode: str
    sslrootcert: str | None

    def url(self) -> URL:
        """Built, not formatted: an e-mail has an @, and a password may have anything."""
        query = {"sslmode": self.sslmode, "application_name": "store"}
        if self.sslrootcert:
            query["sslrootcert"] = self.sslrootcert
        return URL.create(
            "postgresql+psycopg",
            username=self.user,
            password=self.password,
            host=self.host,
            port=self.port,
            database=self.name,
            query=query,
        )


def read_database() -> Database:
    # No interpolation: a `$` in a password is a `$`.
    values = {**dotenv_values(ENV_FILE, interpolate=False), **os.environ}

    def need(key: str) -> str:
        value = values.get(key)
        if not value:
            raise SettingsError(f"{key} is not set: run scripts/lakebase-branch.sh, it writes {ENV_FILE}")
        return value

    port = values.get("PGPORT") or "5432"
    if not port.isdigit():
        raise SettingsError(f"PGPORT is not a number: {port}")
    return Database(
        host=need("PGHOST"),
        port=int(port),
        name=values.get("PGDATABASE") or "databricks_postgres",
        user=need("PGUSER"),
        password=need("PGPASSWORD"),
        sslmode=values.get("PGSSLMODE") or "require",
        sslrootcert=values.get("PGSSLROOTCERT"),
    )
