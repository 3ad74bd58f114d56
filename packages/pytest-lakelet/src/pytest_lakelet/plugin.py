"""
The plugin: a fixture for each test file, and one pool for a whole run. The process that was started by hand owns the pool; workers of
pytest-xdist are told where its socket is. Without xdist the pool begins with the first test that asks for a database.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from .pool import POOL_VARIABLE, Owner, TestDatabase, TestPoolProblem, claim_database

_SETTINGS = {
    "migrate": "line that a shell runs; default: migrate of lakelet.toml",
    "project": "id of the project",
    "source": "id of the branch to begin with; default: the project's default branch",
    "ahead": "how many databases are kept ready",
    "ttl": "when all of it ends after everybody was killed",
}


class Hooks:
    @pytest.hookspec(firstresult=True)
    def pytest_lakelet_migrate(self, database: dict[str, Any]) -> object | None:
        """Migrates the template, in place of the line of lakelet.toml. `database` has url, host, port, database, user, password,
        sslrootcert, branch and variables. Close every connection before it returns."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    for name, says in _SETTINGS.items():
        parser.addini(f"lakelet_{name}", f"lakelet test: {says}")
    parser.addini("lakelet_branches", "lakelet test: a branch for each file, not a database", type="bool")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Run(config), "lakelet-run")


class Run:
    """The pool of this run, as this process sees it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._owner: Owner | None = None
        self._problem: str | None = None

    def claim(self) -> TestDatabase:
        path, problem = self._find()
        if problem is not None:
            raise TestPoolProblem(problem)
        return claim_database(path)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Of pytest-xdist, for each worker before it starts. Tests that ask for no database run though there is no pool."""
        node.workerinput["lakelet"] = self._find()

    def pytest_unconfigure(self) -> None:
        if self._owner is not None:
            self._owner.end()
            self._owner = None

    def _find(self) -> tuple[str | None, str | None]:
        """Path of the socket, or why there is none: tried once."""
        worker = getattr(self._config, "workerinput", None)
        if worker is not None:
            path, problem = worker["lakelet"]
            return path, problem
        if os.environ.get(POOL_VARIABLE):
            return os.environ[POOL_VARIABLE], None
        if self._owner is None and self._problem is None:
            try:
                self._owner = Owner(self._flags(), self._migration())
            except TestPoolProblem as problem:
                self._problem = str(problem)
            except Exception as error:
                self._problem = f"pytest_lakelet_migrate failed: {error!r}"
        return None if self._owner is None else self._owner.path, self._problem

    def _flags(self) -> list[str]:
        given = [(name, self._config.getini(f"lakelet_{name}")) for name in _SETTINGS]
        flags = [word for name, value in given if value for word in (f"--{name}", str(value))]
        return [*flags, "--branches"] if self._config.getini("lakelet_branches") else flags

    def _migration(self) -> Any:
        hook = self._config.hook.pytest_lakelet_migrate
        return (lambda database: hook(database=database)) if hook.get_hookimpls() else None


@pytest.fixture(scope="module")
def lakelet_database(request: pytest.FixtureRequest) -> Iterator[TestDatabase]:
    """A database of this file's own. Its variables (DATABASE_URL, PGHOST, …) are in os.environ meanwhile."""
    run = request.config.pluginmanager.get_plugin("lakelet-run")
    assert isinstance(run, Run)
    database = run.claim()
    before = {name: os.environ.get(name) for name in database.variables}
    os.environ.update(database.variables)
    try:
        yield database
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        database.release()
