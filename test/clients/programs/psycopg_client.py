"""psycopg 3 beside plain HTTP: synchronous, then its asyncio connection with a pool of logins."""

import asyncio
import json
import os
import time
import urllib.request
from typing import Any

import psycopg
from proof import PRODUCTION, PROJECT, prove


class HttpApi:
    def __init__(self, token: str) -> None:
        self.token = token

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        request = urllib.request.Request(
            os.environ["DATABRICKS_HOST"] + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def finish(self, operation: dict[str, Any]) -> dict[str, Any]:
        for _ in range(600):
            seen = self.call("GET", f"/api/2.0/postgres/{operation['name']}")
            if seen["done"]:
                return seen["response"]
            time.sleep(0.1)
        raise AssertionError(f"{operation['name']} did not finish within a minute")

    def login(self) -> str:
        return self.call("GET", "/api/2.0/preview/scim/v2/Me")["userName"]

    def create_branch(self, branch_id: str, source: str, seconds: int) -> str:
        spec = {"source_branch": source, "ttl": f"{seconds}s"}
        path = f"/api/2.0/postgres/{PROJECT}/branches?branch_id={branch_id}"
        return self.finish(self.call("POST", path, {"spec": spec}))["name"]

    def delete_branch(self, name: str) -> None:
        self.finish(self.call("DELETE", f"/api/2.0/postgres/{name}"))

    def host_and_token(self, branch: str) -> tuple[str, str]:
        endpoint = self.call("GET", f"/api/2.0/postgres/{branch}/endpoints/primary")
        credential = self.call("POST", "/api/2.0/postgres/credentials", {"endpoint": endpoint["name"]})
        return endpoint["status"]["hosts"]["host"], credential["token"]


async def many_at_once(api: HttpApi) -> None:
    host, token = api.host_and_token(PRODUCTION)
    login = api.login()

    async def one(number: int) -> int:
        async with await psycopg.AsyncConnection.connect(
            host=host,
            port=os.environ["PGPORT"],
            user=login,
            password=token,
            dbname="databricks_postgres",
            sslmode="require",
        ) as connection:
            row = await (await connection.execute("SELECT %s::int", [number])).fetchone()
            assert row is not None
            return row[0]

    assert await asyncio.gather(*(one(number) for number in range(10))) == list(range(10))


owner = HttpApi(os.environ["DATABRICKS_TOKEN"])
prove("psycopg", owner, HttpApi(os.environ["OTHER_TOKEN"]))
asyncio.run(many_at_once(owner))
