"""What a policy has the host keep for good: over crashes, reloads and restarts.

`from weir.state import *`. What is remembered or forgotten takes effect if the call returns,
and not at all if it raises an exception. It takes the grant `state`.
"""

import json

from componentize_py_types import Err
from weir.kept import encode as _encode
from weir.policy import Refused
from wit_world.imports import state

__all__ = ["forget", "recall", "remember"]


def recall(name: str):
    """What was remembered under `name`; None = nothing."""
    value = state.get(name)
    return None if value is None else json.loads(value)


def remember(name: str, value) -> None:
    """Has the host keep `value`, which must be one that JSON has: infinite numbers are none."""
    kept = _encode(name, value)
    try:
        state.set([(name, kept)])
    except Err as error:
        match error.value:
            case state.Error_Quota(most):
                raise Refused(f"{name} does not fit into grant.state, {most} bytes") from None
            case state.Error_KeyLength(most):
                raise Refused(f"expected a name of 1 to {most} bytes") from None
            case _:
                raise Refused("nothing can be remembered while the policy is made") from None


def forget(name: str) -> None:
    """Has the host forget what it keeps under `name`."""
    state.remove([name])
