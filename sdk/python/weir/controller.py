"""Controllers in Python: policies that own services, and ask others by HTTP.

A controller is a module that begins with `from weir.controller import *`, which has all of
`weir.policy`. What it says through `ensure`, `give_up` and `ask` takes place if the function
returns, and not at all if it raises an exception. It takes the grants `structure` and `http`.
"""

import ipaddress
import json

from componentize_py_types import Err, Ok
from weir import policy as _policy
from weir.policy import *
from wit_world.imports import addresses as _addresses
from wit_world.imports import http as _http
from wit_world.imports import http_messages as _messages
from wit_world.imports import real_servers as _real_servers
from wit_world.imports import services as _services
from wit_world.imports import structure as _structure
from wit_world.imports.http_messages import Secret
from wit_world.imports.services import ServiceKey
from wit_world.imports.structure import OwnedService

__all__ = [
    *_policy.__all__,
    "Answer",
    "Busy",
    "OwnedService",
    "Secret",
    "ServiceKey",
    "ask",
    "ensure",
    "give_up",
    "on_answer",
    "owned",
    "real_server",
    "service",
    "vip",
]


class Busy(Refused):
    """8 requests are under way, which is as many as may be."""

    retryable = True


class Answer:
    """What became of a request: its `tag`, and `status`, `headers` (bytes by names in small
    letters) and `body`; or, where `status` is None, why there is no answer, as `error`."""

    def __init__(self, given):
        self.tag = given.tag
        self.status, self.headers, self.body, self.error = None, {}, b"", None
        match given.outcome:
            case Ok(response):
                self.status, self.body = response.status, response.body
                self.headers = dict(response.headers)
            case Err(error):
                self.error = _why(error)

    def json(self):
        """The body, which is JSON, as values."""
        return json.loads(self.body)


def on_answer(function):
    """Marks what is called with each answer to `ask`."""
    _policy._handlers["answer"] = lambda given: function(Answer(given))
    return function


def ask(
    url: str,
    tag: str = "",
    method: str = "GET",
    headers: dict = {},
    body: bytes = b"",
    timeout_ms: int = 10_000,
) -> None:
    """Asks by HTTP; `on_answer` is told, with this tag. The value of a header is text, or
    `Secret("Bearer ", name)`, which the host puts in. Raises `Busy` if 8 are under way."""
    pairs = [(name, _header(value)) for name, value in headers.items()]
    try:
        _http.send(_messages.Request(tag, method, url, pairs, body, timeout_ms))
    except Err as error:
        is_busy = isinstance(error.value, _messages.Error_Busy)
        raise (Busy if is_busy else Refused)(_why(error.value)) from None


def ensure(service: OwnedService) -> None:
    """Has the host make and keep this service, in the place of what this plugin owned with its
    key. Raises `Refused` if the grant does not allow it, if it is no service, or if it has
    another owner."""
    for result in _structure.ensure([service]):
        if isinstance(result, Err):
            raise Refused(_policy._words(result.value))


def give_up(key: ServiceKey) -> None:
    """Gives a service up: its real servers are drained, and then it goes."""
    _structure.remove([key])


def owned() -> list:
    """All services that this plugin owns (`name`, `config`, `real_servers`), in the order of the
    table."""
    return _structure.owned()


def service(name: str, key: ServiceKey, servers: list, scheduler: str = "wlc") -> OwnedService:
    """A service without persistence or flags, and its real servers, by `real_server`."""
    match key:
        case _services.ServiceKey_Vip(at):
            is_v4 = isinstance(at.endpoint.address, _addresses.IpAddress_Ipv4)
        case _services.ServiceKey_Fwmark(mark):
            is_v4 = mark.family == _addresses.AddressFamily.IPV4
    # Every client by itself: an IPv4 mask, or the length of an IPv6 prefix.
    netmask = 0xFFFF_FFFF if is_v4 else 128
    flags = _services.ServiceFlags(0)
    config = _services.ServiceConfig(key, scheduler, flags, 0, None, netmask, None)
    return OwnedService(name, config, servers)


def vip(address: str, protocol: str = "tcp") -> ServiceKey:
    """What identifies the service at "192.0.2.1:80" or "[2001:db8::1]:80", of tcp, udp or sctp.
    Raises ValueError if it is no address."""
    protocols = {
        "tcp": _services.Protocol_Tcp,
        "udp": _services.Protocol_Udp,
        "sctp": _services.Protocol_Sctp,
    }
    at = _services.VirtualEndpoint(protocols[protocol](), _endpoint(address))
    return _services.ServiceKey_Vip(at)


def real_server(address: str, weight: int = 1):
    """A real server by masquerading, without thresholds. Raises ValueError if it is no address."""
    tunnel = _real_servers.Tunnel(
        _real_servers.TunnelType_Ipip(), 0, _real_servers.TunnelChecksum_None_()
    )
    masquerade = _real_servers.Forwarding_Masquerade()
    return _real_servers.RealServerConfig(_endpoint(address), masquerade, tunnel, weight, 0, 0)


def _endpoint(text):
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal() and int(port) < 65536):
        raise ValueError(f"expected an address and a port, 10.0.0.1:80, found {text!r}")
    if host.startswith("[") and host.endswith("]"):
        packed = ipaddress.IPv6Address(host[1:-1]).packed
        groups = (int.from_bytes(packed[i : i + 2], "big") for i in range(0, 16, 2))
        return _addresses.Endpoint(_addresses.IpAddress_Ipv6(tuple(groups)), int(port))
    packed = ipaddress.IPv4Address(host).packed
    return _addresses.Endpoint(_addresses.IpAddress_Ipv4(tuple(packed)), int(port))


def _header(value):
    if isinstance(value, Secret):
        return _messages.HeaderValue_Secret(value)
    return _messages.HeaderValue_Plain(value)


def _why(error):
    match error:
        case _messages.Error_Busy(most):
            return f"{most} requests are under way, which is as many as may be"
        case _messages.Error_Timeout():
            return "its time is over"
        case _messages.Error_TooLarge(most):
            return f"its answer is longer than {most} bytes"
        case _:
            return error.value
