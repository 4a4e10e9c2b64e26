"""Send an HTTP request."""

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from bridge.actions.base import Action, Allow, StepContext, StepError
from bridge.actions.host.fields import AbsolutePath, Text
from bridge.actions.host.http import ask, secret_line, url_refusal

HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]


class HttpMethod(StrEnum):
    """A request's method."""

    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class HttpRequest(Action):
    """Send an HTTP request and see that the answer has an expected status.

    **Changes** whatever the server does with it. **Needs** the URL's beginning in `allow.urls`. **Idempotent**: no; an
    interrupted one is shown, not sent again. **Backed up**: nothing. Redirects are not followed, and no proxy of the
    environment is used. The answer goes into the run, its first 256 KiB.

    Example:
        - http_request: {method: POST, url: "http://127.0.0.1:5100/api/cache/clear", expect_status: [200, 204]}
    """

    idempotent: ClassVar[bool] = False

    url: Annotated[Text, StringConstraints(pattern=r"^https?://")]
    """Where to; it begins like one of `allow.urls`."""
    method: HttpMethod = HttpMethod.GET
    """`GET`, `HEAD`, `POST`, `PUT`, `PATCH` or `DELETE`."""
    headers: Mapping[HeaderName, Text] = {}
    """Headers."""
    header_files: Mapping[HeaderName, AbsolutePath] = {}
    """Headers whose values are read from secret files, one line each."""
    json_body: Any = Field(default=None, alias="json")
    """A body that is sent as JSON."""
    body: Text | None = None
    """A body of one line of text."""
    expect_status: Annotated[frozenset[int], Field(min_length=1)] = frozenset({200, 201, 202, 204})
    """Statuses that mean success."""

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.json_body is not None and self.body is not None:
            raise ValueError("takes json or body, not both")
        return self

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the URL if it is not allowed."""
        why = url_refusal(self.url, allow)
        if why:
            yield "url", why

    def plan(self, context: StepContext) -> str:
        """Say what is sent where."""
        del context
        return f"{self.method} {self.url.partition('?')[0]}"

    def run(self, context: StepContext) -> str:
        """Send it."""
        self.refuse(context)
        secrets = {name: secret_line(file) for name, file in self.header_files.items()}
        context.output.hide(*secrets.values())
        typed = {"Content-Type": "application/json"} if self.json_body is not None else {}
        answer = ask(self.method, self.url, context, headers={**typed, **self.headers, **secrets}, body=self._body())
        context.output.write(answer.body)
        if answer.status not in self.expect_status:
            raise StepError(f"{self.plan(context)} was answered with {answer.status}")
        return f"{self.plan(context)} was answered with {answer.status}"

    def _body(self) -> bytes | None:
        if self.json_body is not None:
            return json.dumps(self.json_body, ensure_ascii=False).encode()
        return None if self.body is None else self.body.encode()
