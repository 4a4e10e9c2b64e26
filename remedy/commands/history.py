"""`remedy history`: what was run, and the whole story of one run."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from bridge.notifiers.base import DeliveryError, Message
from bridge.policy.remediation import Policy
from remedy.control.client import BridgeClient
from remedy.control.options import AS_JSON, CONFIG
from remedy.control.postmortem import draft, title
from remedy.control.story import story
from remedy.control.tables import DECISION, RUN, show

_ISSUE_SECONDS = 30.0


@click.command()
@click.argument("run", type=int, required=False)
@click.option("--postmortem", is_flag=True, help="Draft a post-mortem of RUN, as Markdown.")
@click.option("--create-issue", is_flag=True, help="Make an issue of it, by the notifier of kind github_issue.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@click.option("--remediation", help="Only of this one.")
@click.option("--outcome", help="Only what ended so: fixed, failed, unverified, ...")
@click.option("--decisions", is_flag=True, help="Every decision instead: also why nothing was run.")
@AS_JSON
@CONFIG
def command(
    run: int | None,
    file: Path,
    *,
    postmortem: bool,
    create_issue: bool,
    decisions: bool,
    as_json: bool,
    **asked: str | int | None,
) -> None:
    """Show the latest runs, or everything about one: decisions, attempts, steps, what they printed, who was told.

    A bridge at work is asked; else its ledger is read, as between two calls of `remedy run --once`.

    Example: remedy history 17
    """
    if (postmortem and run is None) or (create_issue and not postmortem):
        raise click.UsageError("a post-mortem is of one run: remedy history RUN --postmortem [--create-issue]")
    if run is not None and (decisions or asked["remediation"] or asked["outcome"]):
        raise click.UsageError("a run is shown whole: leave the other options out")
    page = "decisions" if decisions else "runs"
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    path = f"/api/v1/{page}?{query}" if run is None else f"/api/v1/runs/{run}"
    bridge = BridgeClient(file)
    found = bridge.reach("GET", path)
    if postmortem:
        click.echo(draft(found), nl=False)
        if create_issue:
            click.echo(f"told {_issue(file, bridge.policy, found)}", err=True)
    elif as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    elif run is None:
        show(found[page], DECISION if decisions else RUN)
    else:
        click.echo("\n".join(story(found)))


def _issue(file: Path, policy: Policy, run: dict[str, Any]) -> str:
    """Make an issue of a run's post-mortem; return the name of the notifier that did."""
    tellers = [each for each in policy.notifiers.items() if each[1].opens_issues]
    if not tellers:
        raise click.UsageError(f"{file} has no notifier of kind github_issue to make an issue with")
    name, teller = tellers[0]
    labels = run["episode"]["labels"]
    message = Message(
        title=title(run),
        story=draft(run),
        dedup_key=f"postmortem/{run['id']}",
        severity=labels.get("severity", "info"),
        labels=labels,
    )
    try:
        teller.deliver(message, _ISSUE_SECONDS)
    except DeliveryError as error:
        raise click.ClickException(f"no issue was made: {error}") from None
    return name
