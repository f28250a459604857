"""Has the host keep the number that its settings name, and says what came back."""

from weir.policy import *
from weir.state import *

NUMBERS = {"large": 2**60 + 1, "none": float("nan"), "infinite": -float("inf")}


@on_start
def start():
    number = NUMBERS[config()["number"]]
    remember("it", {"of": [number]})
    log(str(recall("it")["of"][0] == number).lower())
