"""Guards in Python: a planned change comes in, a verdict goes out.

A guard is a module that begins with `from weir.guard import *` and marks one function with
`guard`. It is called with a change and returns None to let it go on, or `deny(why)`, or
`warn(why)`. If it raises an exception, the guard counts as broken.
"""

import json

from weir.failure import describe as _describe
from wit_world import exports
from wit_world.exports.guarding import (
    PlannedService,
    Review,
    Verdict_Allow,
    Verdict_Deny,
    Verdict_Warn,
)
from wit_world.imports import config as _config
from wit_world.imports import log, table
from wit_world.imports.errors import Denial
from wit_world.imports.services import ServiceKey

__all__ = [
    "Guarding",
    "PlannedService",
    "Review",
    "ServiceKey",
    "config",
    "deny",
    "guard",
    "servers_now",
    "warn",
]


def guard(function):
    """Marks what is called to judge a change: `origin`, `reason`, `operations`, `outcome`."""
    _judge.append(function)
    return function


def deny(why: str):
    """Nothing of it is done, and whoever wanted it is told why."""
    return Verdict_Deny(Denial("denied", why))


def warn(why: str):
    """It goes on, and people are told."""
    return Verdict_Warn(why)


def config() -> dict:
    """The plugin's `config` table."""
    return json.loads(_config.get())


def servers_now(service) -> list:
    """The real servers that a service has now; none if the grant does not show it."""
    with table.current() as snapshot:
        number = snapshot.find(service)
        return [] if number is None else snapshot.real_servers(number)


class Guarding(exports.Guarding):
    """What the host calls."""

    def judge(self, review):
        try:
            return _judge[-1](review) or Verdict_Allow()
        except Exception as error:
            # A guard has no way to say that it failed but to trap.
            log.write(log.Level.ERROR, _describe(error), [])
            raise


_judge: list = []
