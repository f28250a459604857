"""A server says by HTTP how it is: its answer decides whether it gets connections, or fewer."""

from weir.checker import *


@checker
def check(target, path="/ready"):
    answer = get(path)
    if 200 <= answer.status < 300:
        return up()
    if answer.status == 429:
        return degraded(50, "it says that it is busy")
    return down(f"status {answer.status}")
