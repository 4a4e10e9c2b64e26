"""Run a failed GitHub workflow again."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from bridge.actions.base import Action, StepContext, StepError
from bridge.actions.host.github import GithubAccess

_CREATED = 201


class GithubRerunWorkflow(GithubAccess, Action):
    """Run the failed jobs of a GitHub workflow run again, unless that was tried too often already.

    **Changes**: the jobs run again. **Needs** the repository in `allow.repositories`, and a token that may write
    `actions` there. **Idempotent**: no. **Backed up**: nothing. A run that is under way or went well is left alone.

    Example:
        - github_rerun_workflow: {repository: org/app, run_id: "{{ labels.run_id }}", token_file: /etc/remedy/github}
    """

    idempotent: ClassVar[bool] = False

    run_id: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")]
    """The number of the workflow run."""
    failed_only: bool = True
    """Only the failed jobs and what depends on them; else all."""
    most_attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """How often the run may have been tried, the first time included, before it is left to people."""

    def plan(self, context: StepContext) -> str:
        """Say what runs again."""
        del context
        return f"run {'the failed jobs of ' if self.failed_only else ''}{self.repository}'s run {self.run_id} again"

    def run(self, context: StepContext) -> str:
        """Look at the run, and start it again."""
        self.refuse(context)
        run = f"/runs/{self.run_id}"
        status, found = self.call("GET", run, context)
        if status != 200:  # noqa: PLR2004 - HTTP's
            raise StepError(f"GitHub does not show {self.repository}'s run {self.run_id}: {status}")
        if found.get("status") != "completed" or found.get("conclusion") == "success":
            return f"left alone: the run is {found.get('status')} ({found.get('conclusion')})"
        attempts = int(found.get("run_attempt") or 1)
        if attempts >= self.most_attempts:
            raise StepError(f"{self.repository}'s run {self.run_id} has failed {attempts} times already")
        status, said = self.call("POST", f"{run}/{'rerun-failed-jobs' if self.failed_only else 'rerun'}", context)
        if status != _CREATED:
            raise StepError(f"GitHub refused to run it again: {status} {said.get('message', '')}")
        return f"{self.repository}'s run {self.run_id} runs again, for the {attempts + 1}. time"
