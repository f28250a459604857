"""Drains a real server that is down, and gives its weight back when it is up."""

from weir.policy import *


@on_health
def decide(change):
    if change.after == DOWN:
        drain(change.server, change.detail)
    elif change.after == UP:
        clear(change.server)
