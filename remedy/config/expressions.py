"""Regular expressions as Prometheus and Alertmanager read them: RE2, which takes time in proportion to the text.

Python's own go back and try again: `(.+,)*prod(,.+)*` takes minutes on a label of a hundred characters, and holds up
everything else meanwhile. Labels come from logs, and logs from attackers.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import re2


class Match(Protocol):
    """What an expression found."""

    def __getitem__(self, group: int | str) -> str | None:
        """Return what a group found; None: nothing.

        Raises:
            IndexError: there is no such group.
        """


@dataclass(frozen=True)
class Expression:
    """One expression; a dot stands for any character, as in Prometheus."""

    text: str
    compiled: Any

    @classmethod
    def of(cls, text: str) -> "Expression":
        """Compile one.

        Raises:
            ValueError: it is none; the message says why.
        """
        options = re2.Options()
        options.dot_nl, options.log_errors = True, False
        try:
            return cls(text, re2.compile(text, options))
        except re2.error as error:
            raise ValueError(error.args[0].decode("utf-8", "replace")) from None
        except UnicodeEncodeError:
            raise ValueError("it holds half of a character") from None

    def whole(self, text: str) -> Match | None:
        """Match all of a text, as matchers and relabelling do."""
        found: Match | None = self.compiled.fullmatch(_encodable(text))
        return found

    def found_in(self, text: str) -> bool:
        """Tell whether it is found anywhere in a text."""
        return self.compiled.search(_encodable(text)) is not None


def _encodable(text: str) -> str:
    """Put `?` where a text holds what is no character: what programs are called is bytes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
