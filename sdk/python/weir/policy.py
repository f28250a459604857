"""Policies in Python: what happened comes in, what weights should be goes out.

A policy is a module that begins with `from weir.policy import *` and marks its functions
with `on_init`, `on_start`, `on_health`, `on_time` and `on_stop`. What they say through `drain`,
`scale`, `floor`, `cap` and `clear` takes place if they return, and not at all if one raises an
exception. The whole world is in the package `wit_world`, which componentize-py makes.
"""

import inspect
import json

from componentize_py_types import Err
from weir.failure import describe as _describe
from wit_world import exports
from wit_world.imports import config as _config
from wit_world.imports import events, health, intents, table
from wit_world.imports import labels as _labels
from wit_world.imports import log as _log
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
    "every",
    "floor",
    "labels",
    "log",
    "on_health",
    "on_init",
    "on_start",
    "on_stop",
    "on_time",
    "scale",
    "servers",
]

UNKNOWN, UP, DOWN = HealthStatus.UNKNOWN, HealthStatus.UP, HealthStatus.DOWN

_EVERYTHING = 0xFFFF_FFFF


class Refused(Exception):
    """The grant does not allow a statement; says which key would."""

    retryable = False


def on_init(function):
    """Marks what is called when the instance is made, with its settings by their names:
    `def init(url, every_s=10)` knows two, and has a value where the second is not set. If it
    raises an exception, the policy is not used."""
    _handlers["init"] = function
    return function


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


def on_time(function):
    """Marks what is called every 5 s, or as `every` says, when connections and stats are fresh:
    with the milliseconds since they were before, 0 the first time."""
    _handlers["time"] = function
    return function


def on_stop(function):
    """Marks what is called when the instance will be stopped."""
    _handlers["stop"] = function
    return function


def every(seconds: int) -> None:
    """How often `on_time` is called, 1 at least. In `on_init`."""
    _handlers["every"] = seconds * 1000


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


def log(message: str, level: str = "info") -> None:
    """Writes a line to the log: of level trace, debug, info, warn or error."""
    _log.write(_log.Level[level.upper()], message, [])


def servers():
    """Every real server that the grant shows: pairs of its key and how the kernel has it
    (`config`, `active`, `inactive`, `stats`)."""
    with table.current() as snapshot:
        for number, service in enumerate(snapshot.services(0, _EVERYTHING)):
            for server in snapshot.real_servers(number):
                yield RealServerKey(service.config.key, server.config.server), server


def labels(server: RealServerKey) -> dict:
    """The real server's own labels in the host's configuration."""
    [found] = _labels.of_real_servers([server])
    return dict(found)


class Reactor(exports.Reactor):
    """What the host calls."""

    def init(self, context):
        if "init" in _handlers:
            _told(_configured, _handlers["init"])
        kinds = [events.Kind.HEALTH]
        if "time" in _handlers:
            kinds.append(events.Kind.STATS)
        return events.Subscription(kinds, _handlers.get("every"))

    def handle(self, batch):
        for envelope in batch:
            _told(_dispatch, envelope.event)


_handlers: dict = {}


def _told(function, given):
    """Calls it; the host is told of what it raises."""
    try:
        function(given)
    except Refused as refused:
        raise Err(Failure(str(refused), refused.retryable)) from None
    except Exception as error:
        raise Err(Failure(_describe(error), False)) from None


def _configured(init):
    settings = config()
    try:
        inspect.signature(init).bind(**settings)
    except TypeError as error:
        raise Refused(f"config: {error}") from None
    init(**settings)


def _dispatch(event):
    match event:
        case events.Event_Started() | events.Event_Overflow():
            _handlers.get("start", _found)()
        case events.Event_Health(change) if "health" in _handlers:
            _handlers["health"](change)
        case events.Event_Stats(elapsed) if "time" in _handlers:
            _handlers["time"](elapsed)
        case events.Event_Answered(answer) if "answer" in _handlers:
            _handlers["answer"](answer)
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
        if isinstance(verdict, intents.Verdict_Refused):
            raise Refused(_words(verdict.value))


def _words(error):
    match error:
        case Error_Denied(denial):
            return denial.message
        case Error_NoSuchServer():
            return "the host does not know this real server"
        case _:
            return str(error)
