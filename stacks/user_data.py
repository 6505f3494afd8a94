"""The access node's user data: the template access_node.yaml with the wheel that the spec pins."""

from __future__ import annotations

import shlex
from importlib.resources import files

from schemas.errors import Refused
from schemas.spec import Wheel

_LIMIT = 16 * 1024  # bytes before base64; "Work with instance user data", EC2 User Guide


class UserDataTooLong(Refused):
    """The user data does not fit."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"The access node's user data is {size} bytes long; EC2 takes {_LIMIT}.",
            "Shorten the wheel's location.",
        )
        self.size = size


def user_data(wheel: Wheel) -> str:
    """The cloud-init document that makes an instance an access node. Raises `UserDataTooLong`."""
    text = files("stacks").joinpath("access_node.yaml").read_text(encoding="utf-8")
    name = wheel.location.rsplit("/", 1)[-1]
    values = {"location": shlex.quote(wheel.location), "name": shlex.quote(name), "sha256": wheel.sha256}
    for key, value in values.items():
        text = text.replace(f"{{{{{key}}}}}", value)
    size = len(text.encode())
    if size > _LIMIT:
        raise UserDataTooLong(size)
    return text
