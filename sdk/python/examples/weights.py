"""Gives a real server that has more connections open fewer new ones."""

from weir.weigher import *


@weigher
def weigh(service):
    servers = service.candidates
    total = sum(opened(it) for it in servers)
    weights = sum(it.unweighed for it in servers)
    return [scale(it, total * it.unweighed, weights * opened(it)) for it in servers]


def opened(it):
    # Ten more than there are: below that, differences are chance.
    return it.server.active + 10


def scale(it, fair, found):
    # Three tenths of the way from the present scale to the one that is fair by the weight that
    # it has without this: in small steps, for new connections follow late.
    weight = it.server.config.weight
    target = clamp(1000 * fair // max(found, 1))
    now = clamp(1000 * weight // max(it.unweighed, 1)) if weight else 1000
    return (7 * now + 3 * target) // 10


def clamp(thousandths):
    return min(max(thousandths, 500), 1500)
