"""Refuses changes that leave a service with no real server to spare."""

from weir.guard import *


@guard
def judge(change):
    # Real servers that carry the load of a service.
    needed = config().get("needed", 1)
    for service in change.outcome:
        before = serving(it.config for it in servers_now(service.config.key))
        after = serving(service.real_servers)
        if after < before and after <= needed:
            return deny(f"{after} real servers would be left, and {needed + 1} are wanted")


def serving(servers):
    return sum(it.weight > 0 for it in servers)
