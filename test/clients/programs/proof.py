"""The same proof as proof.mjs, by psycopg, over whatever makes the branches and credentials."""

import os
from typing import Protocol

import psycopg

PROJECT = f"projects/{os.environ['PROJECT']}"
PRODUCTION = f"{PROJECT}/branches/production"


class Api(Protocol):
    """One identity's view of the API."""

    def login(self) -> str: ...
    def create_branch(self, branch_id: str, source: str, seconds: int) -> str: ...
    def delete_branch(self, name: str) -> None: ...
    def host_and_token(self, branch: str) -> tuple[str, str]: ...


def connect(api: Api, branch: str, **more: object) -> psycopg.Connection:
    host, token = api.host_and_token(branch)
    return psycopg.connect(
        host=host,
        port=os.environ["PGPORT"],
        user=api.login(),
        password=token,
        dbname="databricks_postgres",
        sslmode="verify-full",
        sslrootcert=os.environ["PGSSLROOTCERT"],
        autocommit=True,
        **more,
    )


def prove(name: str, owner: Api, other: Api) -> None:
    table = f"proof_{name.replace('-', '_')}"

    def is_absent(connection: psycopg.Connection) -> bool:
        row = connection.execute("SELECT to_regclass(%s) IS NULL", [f"public.{table}"]).fetchone()
        return row == (True,)

    branch = owner.create_branch(name, PRODUCTION, 600)
    with connect(owner, branch) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (owner.login(),)
        with connection.transaction():
            connection.execute(f"CREATE TABLE {table} (id serial PRIMARY KEY, note text)")
            with connection.cursor().copy(f"COPY {table} (note) FROM STDIN") as copy:
                for note in ("one", "two", "three"):
                    copy.write_row([note])
        connection.execute(f"CREATE VIEW {table}_notes AS SELECT note FROM {table}")
        for number in range(8):  # the same text until psycopg prepares it
            connection.execute(f"SELECT note FROM {table} WHERE id = %s", [number], prepare=True)

    fork = other.create_branch(f"{name}-fork", branch, 300)
    with connect(other, fork) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (other.login(),)
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (3,)
        connection.execute(f"ALTER TABLE {table} ADD COLUMN forked integer")
        connection.execute(f"DROP VIEW {table}_notes")
        connection.execute(f"DROP TABLE {table}")
        assert is_absent(connection), "the table is gone on the fork"

    with connect(owner, branch) as connection:
        rows = connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()
        assert rows == [(1, "one"), (2, "two"), (3, "three")], rows
    with connect(owner, PRODUCTION) as connection:
        assert is_absent(connection), "the parent has never seen the table"

    other.delete_branch(fork)
    owner.delete_branch(branch)
