"""What every refusal and failure of hotadd has: one sentence, one hint, one exit code.

Exit codes: 0 done or no difference; 1 failed; 2 differences found (plan, drift); 3 refused: the spec, the guest or
the plan is not acceptable; 4 integrity violated; 64 usage (EX_USAGE of sysexits.h).
"""

from __future__ import annotations

from typing import ClassVar

DONE = 0
FAILED = 1
DIFFERENT = 2
REFUSED = 3
INTEGRITY = 4
USAGE = 64


class HotaddError(Exception):
    """Base of all errors that a user may see.

    A subclass is an exception with named fields holding the measured values; it calls
    ``super().__init__(sentence, hint)``. `sentence` says what is wrong, `hint` what to do. Only the command line
    turns `exit_code` into an exit.
    """

    exit_code: ClassVar[int] = FAILED

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence, hint)
        self.sentence = sentence
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        # Pickle would call the subclass with (sentence, hint); the durable workflow stores a step's error this way.
        return _revive, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        return f"{self.sentence}\nhint: {self.hint}" if self.hint else self.sentence


def _revive(kind: type[HotaddError], args: tuple[object, ...], fields: dict[str, object]) -> HotaddError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(fields)
    return error


class Refused(HotaddError):
    """The request itself is not acceptable; nothing was changed."""

    exit_code: ClassVar[int] = REFUSED


class IntegrityViolated(HotaddError):
    """Bytes, or the record of them, are not what they must be."""

    exit_code: ClassVar[int] = INTEGRITY


class UsageWrong(HotaddError):
    """The command's words make no sense."""

    exit_code: ClassVar[int] = USAGE
