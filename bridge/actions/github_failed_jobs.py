"""Write down what failed in a repository's GitHub workflows."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode

from pydantic import Field

from bridge.actions.base import Action, StepContext, StepError
from bridge.actions.host.fields import Text
from bridge.actions.host.github import GithubAccess
from remedy.config.durations import Duration, format_duration

_FAILED = frozenset({"failure", "timed_out", "startup_failure"})
_ERROR = "##[error]"
"""How GitHub marks the lines of a log that say why a step failed."""
_STAMP = len("2026-01-01T00:00:00.0000000Z ")


class GithubFailedJobs(GithubAccess, Action):
    """Quote the failed jobs of a repository's latest workflow runs: job, step, cause and the end of the log.

    **Changes** nothing: what it writes stands in the run, and so in the story that people and issues get. **Needs** the
    repository in `allow.repositories`, and a token that may read `actions` there. **Idempotent**: yes.
    **Backed up**: nothing.

    Example:
        - github_failed_jobs: {repository: org/app, token_file: /etc/remedy/github}
    """

    idempotent: ClassVar[bool] = True

    within: Duration = timedelta(hours=24)
    """How far back a failure counts."""
    workflows: tuple[Text, ...] = ()
    """Names of workflows; none: all of them."""
    most_jobs: Annotated[int, Field(ge=1, le=50)] = 5
    """How many jobs are quoted, the newest first."""
    log_lines: Annotated[int, Field(ge=0, le=1000)] = 30
    """How many lines of each job's log are quoted, besides those that say why."""

    def plan(self, context: StepContext) -> str:
        """Say what is looked at."""
        del context
        return f"quote the failed jobs of {self.repository} of the last {format_duration(self.within)}"

    def run(self, context: StepContext) -> str:
        """Ask GitHub, and quote."""
        self.refuse(context)
        quoted = 0
        runs = self._runs(context)
        for run in runs:
            for job in self._jobs(run, context):
                if quoted < self.most_jobs:
                    self._quote(run, job, context)
                quoted += 1
        if not runs:
            return f"no workflow of {self.repository} failed in the last {format_duration(self.within)}"
        left = f", {quoted - self.most_jobs} of them not quoted" if quoted > self.most_jobs else ""
        return f"{len(runs)} failed runs of {self.repository} with {quoted} failed jobs{left}"

    def _runs(self, context: StepContext) -> list[dict[str, Any]]:
        since = datetime.now(UTC) - self.within
        query = urlencode({"per_page": 100, "created": f">={since:%Y-%m-%dT%H:%M:%SZ}"})
        status, said = self.call("GET", f"/runs?{query}", context)
        if status != 200:  # noqa: PLR2004 - HTTP's
            raise StepError(f"GitHub does not show the runs of {self.repository}: {status}")
        return [
            run
            for run in said.get("workflow_runs", [])
            if run.get("conclusion") in _FAILED and (not self.workflows or run.get("name") in self.workflows)
        ]

    def _jobs(self, run: dict[str, Any], context: StepContext) -> list[dict[str, Any]]:
        status, said = self.call("GET", f"/runs/{int(run['id'])}/jobs?per_page=100", context)
        if status != 200:  # noqa: PLR2004 - HTTP's
            raise StepError(f"GitHub does not show the jobs of run {run['id']}: {status}")
        return [job for job in said.get("jobs", []) if job.get("conclusion") in _FAILED]

    def _quote(self, run: dict[str, Any], job: dict[str, Any], context: StepContext) -> None:
        step = next((step["name"] for step in job.get("steps", []) if step.get("conclusion") in _FAILED), "?")
        say = context.output.say
        say(f"== {run.get('name')} #{run.get('run_number')} on {run.get('head_branch')}: {run.get('html_url')}")
        say(f"job: {job.get('name')}, step: {step}")
        try:
            lines = [line[_STAMP:] for line in self.job_log(int(job["id"]), context).splitlines()]
        except StepError as error:
            say(f"log: {error}")
            return
        for line in [line for line in lines if line.startswith(_ERROR)][-self.log_lines :]:
            say(f"cause: {line.removeprefix(_ERROR)}")
        for line in lines[-self.log_lines :] if self.log_lines else []:
            say(f"| {line}")
