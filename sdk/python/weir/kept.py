"""Values as JSON, which is how the host keeps them."""

import json


def encode(name, value) -> bytes:
    """Refuses what would come back as something else: JSON has no number that is infinite or
    none."""
    try:
        return json.dumps(value, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} cannot be kept: {error}") from None
