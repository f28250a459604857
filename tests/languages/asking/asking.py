"""Asks in every way that there is, and says what came of it."""

from weir.checker import *
from wit_world.imports.probe import Error_Timeout


@checker
def check(target):
    try:
        datagram = exchange(b"pong")
    except Unreached as unreached:
        if isinstance(unreached.value, Error_Timeout):
            return inconclusive("late")
        raise
    answer = http("POST", "/a?b=1", {"x-probe": "weir"}, b"ping")
    with connect() as connection:
        connection.write(b"hello")
        first, second, last = connection.read(2), connection.read(64), connection.read(64)
    name, value = answer.headers[0]
    return down(
        f"{target.server.port} {target.timeout}: {answer.status} {name}={value.decode()}"
        f" {answer.body.decode()}; {first.decode()} {second.decode()} {len(last)};"
        f" {datagram.decode()}"
    )
