"""
The pool of databases: starting its owner, and taking one out of it. To connect to the pool's socket is to claim, and the claim
lasts as long as the connection: when this process ends, in whatever way, the database goes. The pool writes lines of JSON:
the access, and again whenever the credential in it is renewed.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

POOL_VARIABLE = "LAKELET_TEST_POOL"


class TestPoolProblem(Exception):
    """Why there is no database, and what to do about it."""

    __test__ = False  # pytest collects classes of this name


class TestDatabase:
    """A database that nobody else has, a copy of the migrated template; held until `release` or the end of this process."""

    __test__ = False

    def __init__(self, connection: socket.socket, line: bytes) -> None:
        self._connection = connection
        self._rest = b""
        self._access: dict[str, Any] = json.loads(line)
        connection.setblocking(False)

    @property
    def url(self) -> str:
        """For any client, password included: of this moment. It is renewed a quarter of an hour before it ends, so ask again."""
        return self._newest()["url"]

    @property
    def password(self) -> str:
        """Of this moment, as in `url`."""
        return self._newest()["password"]

    @property
    def host(self) -> str:
        return self._access["host"]

    @property
    def port(self) -> int:
        return int(self._access["port"])

    @property
    def database(self) -> str:
        """Its name inside of Postgres."""
        return self._access["database"]

    @property
    def user(self) -> str:
        return self._access["user"]

    @property
    def ca_file(self) -> str | None:
        """File of the authority that signed the server's certificate; None: one that the system trusts."""
        return self._access["sslrootcert"] or None

    @property
    def branch(self) -> str:
        """Full name of the branch that holds it."""
        return self._access["branch"]

    @property
    def variables(self) -> dict[str, str]:
        """As programs read them from their environment: DATABASE_URL, PGHOST, …, or the names of lakelet.toml."""
        return self._newest()["variables"]

    def release(self) -> None:
        """Ends its sessions and removes it, in the background."""
        self._connection.close()

    def _newest(self) -> dict[str, Any]:
        try:
            while piece := self._connection.recv(65536):
                *lines, self._rest = (self._rest + piece).split(b"\n")
                if lines:
                    self._access = json.loads(lines[-1])
        except OSError:
            pass  # nothing new, or nobody is there: what is known may still be good
        return self._access


def claim_database(path: str | None = None) -> TestDatabase:
    """Waits for the pool when no database is ready. `path`: of its socket; default: where `lakelet test` says it is."""
    path = path or os.environ.get(POOL_VARIABLE)
    if not path:
        raise TestPoolProblem(
            "there is no test pool to take a database from\nRun the tests with: lakelet test -- pytest"
        )
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
        line = b""
        while not line.endswith(b"\n"):
            piece = connection.recv(65536)
            if not piece:
                raise ConnectionError("closed")
            line += piece
    except OSError as cause:
        connection.close()
        raise TestPoolProblem(
            "the test pool has ended, so there are no databases any more\n"
            "See what lakelet test has said, and run the tests again."
        ) from cause
    said = json.loads(line.split(b"\n")[0])
    if "error" in said:
        connection.close()
        raise TestPoolProblem("\n".join(filter(None, [said["error"], said.get("hint")])))
    return TestDatabase(connection, line.split(b"\n")[0])


class Owner:
    """
    `lakelet test --serve`. It lives as long as its standard input, whose other end is here: when this process is killed, the owner
    takes its databases away all the same.
    """

    def __init__(self, flags: Sequence[str], migrate: Callable[[dict[str, Any]], None] | None) -> None:
        command = os.environ.get("LAKELET_COMMAND") or "lakelet"
        held = [] if migrate is None else ["--hold"]
        self._complaint = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(
                [command, "test", "--serve", *flags, *held],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaint,
                start_new_session=True,  # Ctrl-C is for pytest, which ends us
            )
        except FileNotFoundError as cause:
            raise TestPoolProblem(
                f"there is no program {command}\n"
                "Put lakelet on the PATH (npm link in a clone of it), or name it: LAKELET_COMMAND=/path/to/lakelet"
            ) from cause
        try:
            if migrate is not None:
                migrate(self._next()["template"])
                assert self._process.stdin is not None
                self._process.stdin.write(b"migrated\n")
                self._process.stdin.flush()
            self.path: str = self._next()["pool"]
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Everything is gone when it returns."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # it is gone
        self._process.wait()

    def _next(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        code = self._process.wait()
        self._complaint.seek(0)
        why = self._complaint.read().decode(errors="replace").strip() or f"it ended with {code}"
        raise TestPoolProblem(f"lakelet test could not make a test pool: {why[-4000:]}")
