"""Checkers in Python: a server comes in, what it is found to be goes out.

A checker is a module that begins with `from weir.checker import *` and marks one function with
`checker`. It is called with a target, and with the settings of the plugin and the check by their
names: `def check(target, path="/ready")` knows one, and has a value where it is not set. It
returns `up()`, `degraded(percent, reason)`, `down(reason)` or `inconclusive(reason)`.

`get`, `http`, `exchange` and `connect` ask the server under check, 64 times at most, and wait.
Where there is no answer they raise `Unreached`, which ends the check: that is what it found. Any
other exception counts as nothing, and people are told.
"""

import inspect
import json

from componentize_py_types import Err as Unreached
from weir.failure import describe as _describe
from wit_world import exports
from wit_world.exports import checking
from wit_world.imports import probe
from wit_world.imports.probe import Connection, Response

__all__ = [
    "Checking",
    "Connection",
    "Response",
    "Target",
    "Unreached",
    "checker",
    "connect",
    "degraded",
    "down",
    "exchange",
    "get",
    "http",
    "inconclusive",
    "up",
]


class Target:
    """What is to be checked: `server` (`address`, `port`), `timeout` (milliseconds)."""

    def __init__(self, given):
        self.server = given.server
        self.timeout = given.timeout


def checker(function):
    """Marks what is called to check a server."""
    _check.append(function)
    return function


def up():
    """It does what it should."""
    return checking.Outcome_Pass()


def degraded(percent: int, reason: str = ""):
    """It does, and should get this percentage of its weight, 1 to 99."""
    return checking.Outcome_Degraded(checking.Degradation(percent, reason))


def down(reason: str = ""):
    """It does not."""
    return checking.Outcome_Fail(reason)


def inconclusive(reason: str = ""):
    """The check cannot tell: counts as nothing, and people are told."""
    return checking.Outcome_Inconclusive(reason)


def get(path: str) -> Response:
    """Asks for `path` by HTTP: `status`, `headers` (pairs of a name in small letters and bytes),
    `body`. Any status is an answer."""
    return http("GET", path)


def http(method: str, path: str, headers: dict = {}, body: bytes = b"") -> Response:
    """Asks by HTTP."""
    return probe.http(probe.Request(method, path, list(headers.items()), body))


def exchange(datagram: bytes) -> bytes:
    """Sends one datagram by UDP, and waits for one."""
    return probe.exchange(datagram)


def connect() -> Connection:
    """Connects by TCP, and shakes hands where the check says `tls`. What comes of it has
    `write(bytes)` and `read(max)`, b"" at the end, and ends, with a reset, after `with`."""
    return Connection.connect()


class Checking(exports.Checking):
    """What the host calls."""

    def check(self, target):
        try:
            outcome = _called(_check[-1], Target(target), json.loads(target.settings))
        except Unreached as error:
            return checking.Outcome_Unreached(error.value)
        except Exception as error:
            return inconclusive(_describe(error))
        if not isinstance(outcome, checking.Outcome):
            return inconclusive(f"expected up(), degraded(), down() .., found {outcome!r}")
        return outcome


_check: list = []


def _called(check, target, settings):
    try:
        inspect.signature(check).bind(target, **settings)
    except TypeError as error:
        raise Unreached(probe.Error_Invalid(f"config: {error}")) from None
    return check(target, **settings)
