"""Serves what a registry lists: services and their real servers, asked for by HTTP again and again.

A registry that does not answer, or answers something else, changes nothing; nor does one that
lists nothing at all, for that is more likely its mistake than its wish.
"""

from weir.controller import *

settings = {}


@on_init
def init(url: str, every_s: int = 10, secret: str | None = None):
    settings.update(url=typed(url, str), secret=secret)
    every(typed(every_s, int))


@on_time
def time(elapsed):
    secret = settings["secret"]
    headers = {"authorization": Secret("Bearer ", secret)} if secret else {}
    try:
        ask(settings["url"], tag="services", headers=headers)
    except Busy:
        pass  # Those before are not answered yet.


@on_answer
def answered(answer):
    try:
        services = listed(answer)
    except ValueError as error:
        log(f"{settings['url']}: {error}; nothing changes", "warn")
    else:
        serve(services)


def listed(answer):
    if answer.status != 200:
        raise ValueError(answer.error or f"status {answer.status}")
    try:
        services = [parsed(it) for it in answer.json()]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"its answer: {error}") from None
    if not services:
        raise ValueError("it lists no service")
    return services


def parsed(it):
    servers = [
        real_server(typed(at["address"], str), typed(at.get("weight", 1), int))
        for at in typed(it["servers"], list)
    ]
    protocol = "udp" if typed(it.get("udp", False), bool) else "tcp"
    key = vip(typed(it["address"], str), protocol)
    return service(typed(it["name"], str), key, servers, typed(it.get("scheduler", "wlc"), str))


def typed(value, wanted):
    # True is an int in Python, and none in JSON; weights have 32 bits, and no sign.
    if type(value) is not wanted or (wanted is int and not 0 <= value < 1 << 32):
        raise TypeError(f"expected {wanted.__name__}, found {value!r}")
    return value


def serve(services):
    for it in services:
        try:
            ensure(it)
        except Refused as refused:
            # One service that cannot be is no reason to leave the others.
            log(str(refused), "error")
    keys = [it.config.key for it in services]
    for it in owned():
        if it.config.key not in keys:
            give_up(it.config.key)
