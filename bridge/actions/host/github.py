"""GitHub's REST API for actions: the fields that lead there, and one request."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, StringConstraints

from bridge.actions.base import Allow, StepContext, StepError
from bridge.actions.host.fields import AbsolutePath, Text
from bridge.actions.host.http import LARGE, Answer, ask, secret_line

_FOUND, _NO_SUCCESS = 302, 300


class GithubAccess(BaseModel):
    """Fields of an action that works on one repository."""

    repository: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,39}/[A-Za-z0-9_.-]{1,100}$")]
    """`owner/name`, of `allow.repositories`."""
    token_file: AbsolutePath
    """A secret file with the token."""
    api_url: Annotated[Text, StringConstraints(pattern=r"^https?://")] = "https://api.github.com"
    """GitHub's API; another one for GitHub Enterprise."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the repository if it is not allowed."""
        if self.repository not in allow.repositories:
            yield "repository", f"'{self.repository}' is not in allow.repositories"

    def call(self, method: str, path: str, context: StepContext) -> tuple[int, dict[str, Any]]:
        """Ask about the repository's `actions`; return the status and the JSON object, empty if there is none.

        Raises:
            StepError: no answer, or none of GitHub's.
        """
        answer = self._ask(method, path, context)
        try:
            said = json.loads(answer.body) if answer.body else {}
        except (ValueError, RecursionError):
            if answer.status >= _NO_SUCCESS:
                return answer.status, {}
            raise StepError(f"what answers at {urlsplit(self.api_url).hostname} is no GitHub: no JSON") from None
        return answer.status, said if isinstance(said, dict) else {}

    def job_log(self, job: int, context: StepContext) -> str:
        """Return a job's log, as far as it is read; GitHub sends to another place for it, which never sees the token.

        Raises:
            StepError: no answer, or none of use.
        """
        answer = self._ask("GET", f"/jobs/{job}/logs", context)
        if answer.status == _FOUND and _is_trusted(answer.location, self.api_url):
            answer = ask("GET", answer.location, context, most=LARGE)
        if answer.status != 200:  # noqa: PLR2004 - HTTP's
            raise StepError(f"GitHub does not show the log of job {job}: {answer.status}")
        return answer.body.decode("utf-8", "replace")

    def _ask(self, method: str, path: str, context: StepContext) -> Answer:
        headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "Authorization": f"Bearer {secret_line(Path(self.token_file))}",
        }
        url = f"{self.api_url.rstrip('/')}/repos/{self.repository}/actions{path}"
        return ask(method, url, context, headers=headers, most=LARGE)


def _is_trusted(url: str, api_url: str) -> bool:
    """Follow GitHub over TLS wherever it sends, and a GitHub without TLS nowhere but to itself."""
    wanted, given = urlsplit(url), urlsplit(api_url)
    return wanted.scheme == "https" or (wanted.scheme, wanted.netloc) == (given.scheme, given.netloc)
