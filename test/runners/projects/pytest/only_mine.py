"""The body of every test: what is there at first, what is there while others write to theirs as well."""

import os
import time

import psycopg


def only_mine(database, file):
    """Names of the products before and after this test added its own, through the variable that programs read."""
    assert os.environ["DATABASE_URL"] == database.url
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:

        def names():
            return [name for (name,) in connection.execute("select name from products order by id")]

        (here,) = connection.execute("select current_database()").fetchone()
        assert here == database.database
        with open(os.environ["SEEN"], "a") as seen:
            seen.write(f"{database.branch} {here} {file}\n")
        before = names()
        connection.execute("insert into products (name) values (%s)", [file])
        time.sleep(0.3)
        return before, names()
