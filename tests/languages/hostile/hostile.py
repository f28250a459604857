"""Does on each event what its settings say, and should not be done."""

import os

from weir.policy import *


@on_start
def start():
    if config().get("do") == "init":
        os.abort()


@on_health
def decide(change):
    match config().get("do"):
        case "loop":
            while True:
                pass
        case "recurse":
            descend(0)
        case "grow":
            held = []
            while True:
                held.append(bytearray(1 << 20))
        case "trap":
            os.abort()
        case _:
            raise ValueError(f"nothing is right in {labels(change.server)['zone']}")


def descend(depth):
    return descend(depth + 1) + 1
