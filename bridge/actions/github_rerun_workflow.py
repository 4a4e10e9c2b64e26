"""Run a failed GitHub workflow again."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import Field, StringConstraints

from bridge.actions.base import Action, Allow, StepContext, StepError, StepRefusedError
from bridge.actions.host.fields import AbsolutePath, Text
from bridge.actions.host.http import ask, secret_line

_CREATED = 201


class GithubRerunWorkflow(Action):
    """Run the failed jobs of a GitHub workflow run again, unless that was tried too often already.

    **Changes**: the jobs run again. **Needs** the repository in `allow.repositories`, and a token that may write
    `actions` there. **Idempotent**: no. **Backed up**: nothing. A run that is under way or went well is left alone.

    Example:
        - github_rerun_workflow: {repository: org/app, run_id: "{{ labels.run_id }}", token_file: /etc/remedy/github}
    """

    idempotent: ClassVar[bool] = False

    repository: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,39}/[A-Za-z0-9_.-]{1,100}$")]
    """`owner/name`, of `allow.repositories`."""
    run_id: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")]
    """The number of the workflow run."""
    token_file: AbsolutePath
    """A secret file with the token."""
    failed_only: bool = True
    """Only the failed jobs and what depends on them; else all."""
    most_attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """How often the run may have been tried, the first time included, before it is left to people."""
    api_url: Annotated[Text, StringConstraints(pattern=r"^https?://")] = "https://api.github.com"
    """GitHub's API; another one for GitHub Enterprise."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the repository if it is not allowed."""
        if self.repository not in allow.repositories:
            yield "repository", f"'{self.repository}' is not in allow.repositories"

    def plan(self, context: StepContext) -> str:
        """Say what runs again."""
        del context
        return f"run {'the failed jobs of ' if self.failed_only else ''}{self.repository}'s run {self.run_id} again"

    def run(self, context: StepContext) -> str:
        """Look at the run, and start it again."""
        for field, why in self.refusals(context.allow):
            raise StepRefusedError(f"{field}: {why}")
        status, found = self._call("GET", "", context)
        if status != 200:  # noqa: PLR2004 - HTTP's
            raise StepError(f"GitHub does not show {self.repository}'s run {self.run_id}: {status}")
        if found.get("status") != "completed" or found.get("conclusion") == "success":
            return f"left alone: the run is {found.get('status')} ({found.get('conclusion')})"
        attempts = int(found.get("run_attempt") or 1)
        if attempts >= self.most_attempts:
            raise StepError(f"{self.repository}'s run {self.run_id} has failed {attempts} times already")
        status, said = self._call("POST", "/rerun-failed-jobs" if self.failed_only else "/rerun", context)
        if status != _CREATED:
            raise StepError(f"GitHub refused to run it again: {status} {said.get('message', '')}")
        return f"{self.repository}'s run {self.run_id} runs again, for the {attempts + 1}. time"

    def _call(self, method: str, path: str, context: StepContext) -> tuple[int, dict[str, Any]]:
        headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "Authorization": f"Bearer {secret_line(self.token_file)}",
        }
        url = f"{self.api_url.rstrip('/')}/repos/{self.repository}/actions/runs/{self.run_id}{path}"
        answer = ask(method, url, context, headers=headers)
        try:
            said = json.loads(answer.body) if answer.body else {}
        except ValueError:
            said = {}
        return answer.status, said if isinstance(said, dict) else {}
