"""Tell people, and those who work for them, through GitHub issues."""

import hashlib
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode

from pydantic import Field, HttpUrl, StringConstraints

from bridge.notifiers._http import HttpAccess, secret
from bridge.notifiers.base import Message, Notifier, PassingError, State
from remedy.config.durations import Duration

_LONGEST = 60_000
"""Characters of a body; GitHub takes 65,536."""
_LONGEST_TITLE, _LONGEST_LABEL = 250, 50
_PAGES = 5
_REQUEST = "Please find the cause and resolve it; the story above is all that the machine knows."


class GithubIssue(HttpAccess, Notifier):
    """Open an issue with the story, or add to the one that is open already; close it when the trouble ends.

    **Needs** a token that may write issues, in a file. The same trouble within `same_within` becomes a comment on the
    open issue; when it is resolved, a comment says so and the issue is closed. What stands in logs mentions nobody:
    only `mention` does.

    Example:
        notifiers: {issues: {kind: github_issue, repository: org/app, token_file: /etc/remedy/github}}
    """

    opens_issues: ClassVar[bool] = True

    repository: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,39}/[A-Za-z0-9_.-]{1,100}$")]
    """`owner/name`."""
    token_file: Path
    """A secret file with the token."""
    title_prefix: str = "🚨 [AUTO]"
    """What each title begins with."""
    labels: tuple[str, ...] = ("bug", "{severity}", "claude-ready")
    """Labels of new issues; `{severity}` stands for the message's."""
    mention: str = "@claude"
    """Whom to ask to resolve it; empty for nobody."""
    same_within: Annotated[Duration, Field(gt=timedelta(0))] = timedelta(hours=24)
    """How long the same trouble goes to the open issue instead of a new one."""
    api_url: HttpUrl = HttpUrl("https://api.github.com")
    """GitHub's API; another one for GitHub Enterprise."""

    def deliver(self, message: Message, timeout: float) -> None:
        """Open, add to, or close the issue."""
        github = _Github(self, timeout)
        if message.state is State.RESOLVED:
            for issue in github.open_issues(_marker(message), None):
                github.comment(issue, f"Resolved: {_unmentioned(message.story)}")
                github.close(issue)
            return
        since = datetime.now(UTC) - self.same_within
        known = next(github.open_issues(_marker(message), since), None)
        if known is None:
            github.create(self._title(message), self._body(message), self._labels(message))
        else:
            github.comment(known, self._body(message))

    def _title(self, message: Message) -> str:
        return f"{self.title_prefix} {message.title}".strip()[:_LONGEST_TITLE]

    def _labels(self, message: Message) -> list[str]:
        named = (label.replace("{severity}", message.severity).strip() for label in self.labels)
        return [label[:_LONGEST_LABEL] for label in named if label]

    def _body(self, message: Message) -> str:
        story = _unmentioned(message.story)
        if len(story) > _LONGEST:
            story = f"{story[:_LONGEST]}\n\n… {len(story) - _LONGEST} characters left out"
        runbook = f"Runbook: {message.runbook_url}" if message.runbook_url else ""
        request = f"{self.mention} {_REQUEST}".strip() if self.mention else ""
        return "\n\n".join(filter(None, [story, runbook, request, _marker(message)]))


def _marker(message: Message) -> str:
    """Make the mark by which an issue is known again; it cannot be closed early by what stands in the key."""
    return f"<!-- remediation-bridge {hashlib.sha256(message.dedup_key.encode()).hexdigest()[:32]} -->"


def _unmentioned(text: str) -> str:
    """Keep what stands in logs from calling people, and from carrying a mark of ours."""
    return re.sub(r"@(?=[A-Za-z0-9])", "@\u200b", text).replace("<!-- remediation-bridge", "<!-- (quoted)")


class _Github:
    """GitHub's REST API, as far as it is needed."""

    def __init__(self, notifier: GithubIssue, timeout: float) -> None:
        self._notifier, self._until = notifier, time.monotonic() + timeout
        self._base = f"{str(notifier.api_url).rstrip('/')}/repos/{notifier.repository}/issues"
        self._headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "Authorization": f"Bearer {secret(notifier.token_file)}",
        }

    def open_issues(self, marker: str, created_since: datetime | None) -> Iterator[int]:
        """Yield the numbers of open issues with a mark, newest first; pull requests are none."""
        for page in range(1, _PAGES + 1):
            query = urlencode({"state": "open", "sort": "created", "direction": "desc", "per_page": 100, "page": page})
            found = self._call("GET", f"?{query}")
            for issue in found:
                if created_since is not None and datetime.fromisoformat(issue["created_at"]) < created_since:
                    return
                if marker in (issue.get("body") or "") and "pull_request" not in issue:
                    yield int(issue["number"])
            if len(found) < 100:  # noqa: PLR2004 - a page
                return

    def create(self, title: str, body: str, labels: list[str]) -> None:
        """Open an issue."""
        self._call("POST", "", {"title": title, "body": body, "labels": labels})

    def comment(self, issue: int, body: str) -> None:
        """Add a comment."""
        self._call("POST", f"/{issue}/comments", {"body": body[:_LONGEST]})

    def close(self, issue: int) -> None:
        """Close an issue as done."""
        self._call("PATCH", f"/{issue}", {"state": "closed", "state_reason": "completed"})

    def _call(self, method: str, path: str, body: object = None) -> Any:
        left = self._until - time.monotonic()
        if left <= 0:
            raise PassingError("GitHub did not answer in time")
        answer = self._notifier.send(method, f"{self._base}{path}", body, left, self._headers)
        try:
            return json.loads(answer.body)
        except ValueError:
            raise PassingError("GitHub did not answer with JSON") from None
