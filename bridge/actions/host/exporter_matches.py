"""The latest lines that a log pattern matched, as the exporter keeps them."""

import base64
import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Self
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from bridge.actions.base import Allow, StepContext, StepError
from bridge.actions.host.fields import AbsolutePath, Text
from bridge.actions.host.http import LARGE, ask, secret_line, url_refusal

PatternId = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$", max_length=100)]


class ExporterMatches(BaseModel):
    """Which matches of which exporter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[Text, StringConstraints(pattern=r"^https?://")]
    """The exporter, as `http://127.0.0.1:9195`; it begins like one of `allow.urls`. No label fills it."""
    pattern: PatternId
    """The log pattern's id."""
    source: Annotated[Text, StringConstraints(max_length=255)] | None = None
    """Only matches of this log source."""
    username: Text | None = None
    """Who we are to the exporter, where it wants a user; with `password_file`."""
    password_file: AbsolutePath | None = None
    """A secret file with the password."""
    bearer_token_file: AbsolutePath | None = None
    """A secret file with a token, where it wants that."""

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username and password_file go together")
        if self.username is not None and self.bearer_token_file is not None:
            raise ValueError("takes at most one of username and bearer_token_file")
        return self

    @property
    def _api(self) -> str:
        return f"{self.url.rstrip('/')}/api/v1/matches"

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield (field, why) for what is forbidden."""
        why = url_refusal(self._api, allow)
        if why:
            yield "url", why

    def lines(self, context: StepContext) -> dict[str, list[str]]:
        """Ask for the lines of each source, the oldest first.

        Raises:
            StepError: the exporter does not show them.
        """
        query = urlencode({"pattern": self.pattern})
        answer = ask("GET", f"{self._api}?{query}", context, headers=self._credential(), most=LARGE)
        if answer.status != HTTPStatus.OK:
            raise StepError(f"the exporter does not show its matches: {answer.status}")
        try:
            sources = json.loads(answer.body)["sources"].items()
            found = {str(source): [str(line) for line in lines] for source, lines in sources}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise StepError("what answers there is no exporter of ours") from None
        return {source: lines for source, lines in sorted(found.items()) if self.source in (None, source)}

    def _credential(self) -> dict[str, str]:
        if self.bearer_token_file is not None:
            return {"Authorization": f"Bearer {secret_line(self.bearer_token_file)}"}
        if self.username is None or self.password_file is None:
            return {}
        pair = f"{self.username}:{secret_line(self.password_file)}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}
