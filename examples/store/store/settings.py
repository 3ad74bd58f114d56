"""Where the database is: libpq's own variable names, from the environment or from the file .env.

The script lakebase-branch.sh writes .env. It is read again for each new connection, so that a
credential that the script has refreshed is used without a restart of the app. With the id and the
secret of a service principal the app gets its credentials itself.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import dotenv_values
from sqlalchemy import URL

if TYPE_CHECKING:
    from store.credentials import Credentials

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

    host, port = need("PGHOST"), number(values, "PGPORT", 5432)
    user, password = service_principal(values, need) or (need("PGUSER"), need("PGPASSWORD"))
    return Database(
        host=host,
        port=port,
        name=values.get("PGDATABASE") or "databricks_postgres",
        user=user,
        password=password,
        sslmode=values.get("PGSSLMODE") or "require",
        sslrootcert=values.get("PGSSLROOTCERT"),
    )


Values = Mapping[str, str | None]


def number(values: Values, key: str, default: int) -> int:
    text = values.get(key) or str(default)
    if not text.isdigit():
        raise SettingsError(f"{key} is not a number: {text}")
    return int(text)


def service_principal(values: Values, need: Callable[[str], str]) -> tuple[str, str] | None:
    """Its user and a credential that is still good, when the app runs as one."""
    client_id = values.get("DATABRICKS_CLIENT_ID")
    if not client_id:
        return None
    renew_before = number(values, "LAKEBASE_RENEW_SECONDS", 120)
    return client_id, credentials(need("LAKEBASE_ENDPOINT"), renew_before).token()


@cache
def credentials(endpoint: str, renew_before: int) -> "Credentials":
    try:
        from store.credentials import Credentials
    except ImportError as error:
        raise SettingsError(f"{error}: run pip install -r requirements-m2m.txt") from error
    return Credentials(endpoint, timedelta(seconds=renew_before))
