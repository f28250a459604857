"""Policies in Python: what happened comes in, what weights should be goes out.

A policy is a module that begins with `from weir.policy import *` and marks its functions
with `on_start`, `on_health` and `on_stop`. What they say through `drain`, `scale`, `floor`,
`cap` and `clear` takes place if they return, and not at all if one raises an exception.
The whole world is in the package `wit_world`, which componentize-py makes.
"""

import json

from componentize_py_types import Err
from weir.failure import describe as _describe
from wit_world import exports
from wit_world.imports import config as _config
from wit_world.imports import events, health, intents, log, table
from wit_world.imports.errors import Error_Denied, Error_NoSuchServer
from wit_world.imports.failures import Failure
from wit_world.imports.health_words import HealthStatus
from wit_world.imports.real_servers import RealServerKey

__all__ = [
    "DOWN",
    "Reactor",
    "Refused",
    "UNKNOWN",
    "UP",
    "cap",
    "clear",
    "config",
    "drain",
    "floor",
    "on_health",
    "on_start",
    "on_stop",
    "scale",
    "servers",
]

UNKNOWN, UP, DOWN = HealthStatus.UNKNOWN, HealthStatus.UP, HealthStatus.DOWN

_EVERYTHING = 0xFFFF_FFFF


class Refused(Exception):
    """The grant does not allow a statement; says which key would."""


def on_start(function):
    """Marks what is called when the instance has begun, or lost events. Without it,
    `on_health` is told of every real server whose health is known, as it is."""
    _handlers["start"] = function
    return function


def on_health(function):
    """Marks what is called with each change of a real server's health: `server`, `detail`,
    `before`, `after`, `lasted` (milliseconds)."""
    _handlers["health"] = function
    return function


def on_stop(function):
    """Marks what is called when the instance will be stopped."""
    _handlers["stop"] = function
    return function


def config() -> dict:
    """The plugin's `config` table."""
    return json.loads(_config.get())


def drain(server: RealServerKey, reason: str = "") -> None:
    """No new connections for this real server until `clear`, whatever others say."""
    _publish(server, intents.Intent_Drain(), reason)


def scale(server: RealServerKey, thousandths: int, reason: str = "") -> None:
    """Multiplies the base weight, in thousandths, 1 or more. A number outside the grant's
    range is bounded by it."""
    _publish(server, intents.Intent_Scale(thousandths), reason)


def floor(server: RealServerKey, weight: int, reason: str = "") -> None:
    """At least this weight; never lifts a drain."""
    _publish(server, intents.Intent_Floor(weight), reason)


def cap(server: RealServerKey, weight: int, reason: str = "") -> None:
    """At most this weight, 1 or more."""
    _publish(server, intents.Intent_Cap(weight), reason)


def clear(server: RealServerKey) -> None:
    """Takes back what this policy says of the real server."""
    intents.withdraw([server])


def servers():
    """Every real server that the grant shows: pairs of its key and how the kernel has it
    (`config`, `active`, `inactive`, `stats`)."""
    with table.current() as snapshot:
        for number, service in enumerate(snapshot.services(0, _EVERYTHING)):
            for server in snapshot.real_servers(number):
                yield RealServerKey(service.config.key, server.config.server), server


class Reactor(exports.Reactor):
    """What the host calls."""

    def init(self, context):
        return events.Subscription([events.Kind.HEALTH], None)

    def handle(self, batch):
        try:
            for envelope in batch:
                _dispatch(envelope.event)
        except Refused as refused:
            raise Err(Failure(str(refused), False)) from None
        except Exception as error:
            raise Err(Failure(_describe(error), False)) from None


_handlers: dict = {}


def _dispatch(event):
    match event:
        case events.Event_Started() | events.Event_Overflow():
            _handlers.get("start", _found)()
        case events.Event_Health(change) if "health" in _handlers:
            _handlers["health"](change)
        case events.Event_Stopping() if "stop" in _handlers:
            _handlers["stop"]()


def _found():
    """Tells `on_health` of every real server whose health is known."""
    if "health" not in _handlers:
        return
    detail = "found so when the policy started"
    for report in health.current([key for key, _ in servers()]):
        if report.status != UNKNOWN:
            change = events.HealthChange(report.key, detail, UNKNOWN, report.status, 0)
            _handlers["health"](change)


def _publish(server, intent, reason):
    statement = intents.Statement(server, intent, None, reason)
    for verdict in intents.publish([statement]):
        match verdict:
            case intents.Verdict_Refused(Error_Denied(denial)):
                raise Refused(denial.message)
            case intents.Verdict_Refused(Error_NoSuchServer()):
                raise Refused("the host does not know this real server")
            case intents.Verdict_Refused(error):
                raise Refused(str(error))
