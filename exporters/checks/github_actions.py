"""Workflow runs of GitHub Actions."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from pydantic import Field

from exporters.checks._patience import in_time
from exporters.checks.base import Check, CheckContext, CheckError, CheckResult, Status
from remedy.config.durations import Duration, format_duration

_FAILED = frozenset({"failure", "timed_out", "startup_failure"})
_NOT_MODIFIED, _FORBIDDEN, _TOO_MANY = 304, 403, 429
_SHOWN = 5
_PAGE, _MOST_PAGES = 100, 10


class GithubActions(Check):
    """Workflow runs of a repository that failed lately. Its value is their number.

    Asks conditionally, so that an answer that has not changed costs nothing, and not at all while GitHub's rate limit
    is used up.

        - {name: workflows, kind: github_actions, repository: acme/app, token_file: /etc/remedy/github, interval: 5m}
    """

    repository: str = Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", description="owner/name")
    within: Duration = Field(default=timedelta(hours=24), description="How far back a failure counts.")
    workflows: list[str] = Field(default=[], description="Names of workflows; else all of them.")
    token_file: Path | None = Field(default=None, description="Else the variable GITHUB_TOKEN, else none.")
    api_url: str = Field(default="https://api.github.com", pattern=r"^https?://", description="For GitHub Enterprise.")

    def run(self, context: CheckContext) -> CheckResult:
        since = datetime.now(UTC) - self.within
        try:
            runs = in_time(context, lambda: self._runs(since, context))
        except (TimeoutError, requests.Timeout):
            raise CheckError(f"{self.api_url} did not answer in time") from None
        except requests.JSONDecodeError:
            raise CheckError(f"what answers at {self.api_url} is no GitHub") from None
        except requests.RequestException as error:
            raise CheckError(f"{self.api_url} cannot be asked: {type(error).__name__}") from None
        failed = [
            run
            for run in runs
            if run["conclusion"] in _FAILED
            and _created(run) >= since
            and (not self.workflows or run["name"] in self.workflows)
        ]
        names = [f"{run['name']} #{run['run_number']} on {run['head_branch']}" for run in failed]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        said = f"{len(names)} failed runs in {format_duration(self.within)}"
        status = Status.UNHEALTHY if failed else Status.HEALTHY
        message = (
            f"{said}: {', '.join(names[:_SHOWN])}{more}"
            if failed
            else f"no failed run in {format_duration(self.within)}"
        )
        return CheckResult(status, message, len(failed), "runs", 0)

    def _runs(self, since: datetime, context: CheckContext) -> list[dict[str, Any]]:
        """Return the runs from now back to `since` or further; asked anew only if the newest of them have changed."""
        memory = context.memory
        if memory.get("not_before", 0.0) > time.time():
            raise CheckError(f"GitHub's rate limit is used up for another {memory['not_before'] - time.time():.0f} s")
        first = self._page(1, context)
        if first is None:
            return list(memory["runs"])
        page = runs = first.json()["workflow_runs"]
        number = 1
        while len(page) == _PAGE and number < _MOST_PAGES and _created(page[-1]) >= since:
            number += 1
            further = self._page(number, context)
            page = further.json()["workflow_runs"] if further is not None else []
            runs = [*runs, *page]
        memory["etag"], memory["runs"] = first.headers.get("ETag"), runs
        return list(runs)

    def _page(self, number: int, context: CheckContext) -> requests.Response | None:
        """Ask for a page of runs, the newest first; None if the first one has not changed."""
        answer = requests.get(
            f"{self.api_url}/repos/{self.repository}/actions/runs",
            params={"per_page": str(_PAGE), "page": str(number)},
            headers=self._headers(context.memory if number == 1 else {}),
            timeout=context.remaining(),
        )
        if answer.status_code == _NOT_MODIFIED:
            return None
        self._note_rate_limit(answer, context.memory)
        if not answer.ok:
            raise CheckError(f"GitHub answered {answer.status_code} for {self.repository}")
        return answer

    def _headers(self, memory: dict[str, Any]) -> dict[str, str]:
        headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        token = os.environ.get("GITHUB_TOKEN")
        if self.token_file is not None:
            token = self.token_file.read_text(encoding="utf-8").strip()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if memory.get("etag"):
            headers["If-None-Match"] = memory["etag"]
        return headers

    def _note_rate_limit(self, answer: requests.Response, memory: dict[str, Any]) -> None:
        limited = answer.status_code in (_FORBIDDEN, _TOO_MANY)
        if limited and "Retry-After" in answer.headers:
            memory["not_before"] = time.time() + float(answer.headers["Retry-After"])
        elif answer.headers.get("X-RateLimit-Remaining") == "0":
            memory["not_before"] = float(answer.headers.get("X-RateLimit-Reset", "0"))


def _created(run: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(run["created_at"])
