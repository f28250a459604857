"""Weighers in Python: what a service does comes in, scales of its weights go out.

A weigher is a module that begins with `from weir.weigher import *` and marks one function
with `weigher`. It is called with a service and returns a scale for each of its
`candidates`, in thousandths of its base weight, or a pair of these and of what the next
call for the service finds as `memo`: anything that JSON has. If it raises an exception, the
scales before stay.
"""

import json

from componentize_py_types import Err
from weir.failure import describe as _describe
from weir.kept import encode as _encode
from wit_world import exports
from wit_world.exports.weighing import Candidate, Output
from wit_world.imports.health_words import HealthStatus

__all__ = ["Candidate", "DOWN", "Service", "UNKNOWN", "UP", "Weighing", "weigher"]

UNKNOWN, UP, DOWN = HealthStatus.UNKNOWN, HealthStatus.UP, HealthStatus.DOWN


class Service:
    """One service: `service` (`key`, `scheduler`), `name`, `labels` (a dictionary), `config` (the
    plugin's settings), `at` (nanoseconds since the Unix epoch), `utc_offset` (seconds), `period`
    (milliseconds since the call before), `candidates` and `memo`.

    Of a candidate, `unweighed` is the weight that it would have without this plugin, and
    `labels` a list of pairs."""

    def __init__(self, given):
        self.service = given.service
        self.name = given.name
        self.labels = dict(given.labels)
        self.config = json.loads(given.settings)
        self.at = given.at
        self.utc_offset = given.utc_offset
        self.period = given.period
        self.candidates = given.candidates
        self.memo = json.loads(bytes(given.memo)) if given.memo else None


def weigher(function):
    """Marks what is called to weigh a service."""
    _weigh.append(function)
    return function


class Weighing(exports.Weighing):
    """What the host calls."""

    def weigh(self, input):
        try:
            answer = _weigh[-1](Service(input))
            scales, memo = answer if isinstance(answer, tuple) else (answer, None)
            return Output(scales, b"" if memo is None else _encode("memo", memo))
        except Exception as error:
            raise Err(_describe(error)) from None


_weigh: list = []
