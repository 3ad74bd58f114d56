"""How the Python program reports: one row for each thing done, in the file of ROWS_FILE."""

import json
import os
import signal
from collections.abc import Callable
from typing import Any

from databricks.sdk.errors import DatabricksError


class NotRun(Exception):
    """The reason why something cannot run here; no failure."""


PATIENCE = 120
"""Seconds for one row: the SDK's waiters wait for ever, and so does its login at a browser."""


def give_up(*_: Any) -> None:
    raise TimeoutError(f"not done after {PATIENCE} s")


signal.signal(signal.SIGALRM, give_up)


def row(what: str, work: Callable[[], Any]) -> Any:
    """Does the work and answers with its result; a failure is a row, and the program goes on."""
    line: dict[str, str] = {"what": what, "result": "pass"}
    answer = None
    signal.alarm(PATIENCE)
    try:
        answer = work()
    except NotRun as reason:
        line |= {"result": "skip", "reason": str(reason)}
    except Exception as error:  # the SDK and protobuf raise many kinds; each is a failed row
        line |= {"result": "fail", "reason": f"{type(error).__name__}: {error}"}
    finally:
        signal.alarm(0)
    with open(os.environ["ROWS_FILE"], "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    return answer


def check(is_true: object, what: object = "") -> None:
    if not is_true:
        raise AssertionError(f"not so: {what}")


def refused(kind: type[DatabricksError], text: str, work: Callable[[], Any]) -> None:
    """The SDK chooses the exception by code and status, so its class stands for both."""
    try:
        work()
    except kind as error:
        check(text in str(error), f"{text!r} in {error}")
        return
    raise AssertionError(f"not refused with {kind.__name__}")


class Called:
    """A service that remembers which of its methods were called."""

    def __init__(self, service: Any) -> None:
        self._service = service
        self.names: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.names.add(name)
        return getattr(self._service, name)

    def never(self) -> set[str]:
        public = {n for n in dir(type(self._service)) if not n.startswith("_")}
        return public - self.names
