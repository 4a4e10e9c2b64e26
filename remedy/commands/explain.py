"""`remedy explain`: why an alert would or would not be acted on, gate by gate."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click

from remedy.control.client import BridgeClient
from remedy.control.options import AS_JSON, CONFIG
from remedy.control.story import labels_of, plain


@click.command()
@click.argument("payload", type=click.File("rb"), required=False)
@click.option("--offline", is_flag=True, help="Ask nobody: as if nothing were remembered and the alert fired.")
@AS_JSON
@CONFIG
def command(payload: BinaryIO | None, file: Path, *, offline: bool, as_json: bool) -> None:
    """Say which remediation each alert would get and what every gate says, changing nothing.

    Without PAYLOAD: of everything that fires in the running bridge. PAYLOAD is a notification as Alertmanager sends it.

    Example: remedy explain notification.json
    """
    body = payload.read() if payload else b""
    if payload and not body.strip():
        raise click.UsageError(f"{payload.name} is empty, and no notification of Alertmanager")
    if offline:
        if payload is None:
            raise click.UsageError("--offline needs a notification to explain")
        found = _offline(file, body)
    else:
        found = BridgeClient(file).send("POST", "/api/v1/explain", body)["explanations"]
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        click.echo("\n\n".join("\n".join(_spell(each)) for each in found) or "no alert fires")


def _offline(file: Path, body: bytes) -> list[dict[str, Any]]:
    from bridge.decision.explanation import as_episodes, explain, explain_the_rest  # noqa: PLC0415 - only this way needs the bridge's libraries
    from bridge.decision.facts import History, Standing  # noqa: PLC0415
    from bridge.decision.payload import NotAPayloadError, parse_notification  # noqa: PLC0415
    from bridge.policy.loading import load_policy  # noqa: PLC0415

    policy, now = load_policy(file, insecure=True), time.time()
    try:
        notification = parse_notification(body)
    except NotAPayloadError as error:
        raise click.UsageError(f"this is no notification of Alertmanager: {error}") from None
    found = [
        each
        for episode in as_episodes(notification, now)
        for each in explain(policy, episode, lambda *_: History(), Standing(), now)
    ]
    return found + explain_the_rest(notification)


def _spell(found: dict[str, Any]) -> Iterator[str]:
    yield labels_of(found["labels"])
    recorded = found.get("recorded")
    if recorded is not None:
        yield plain(f"  on record since {recorded['at']}: {_verdict(recorded)}")
    word = "decided anew now" if recorded else found["remediation"] or "no remediation"
    yield plain(f"  {word}: {found['decision']}: {found['reason']}")
    for gate in found["gates"]:
        yield plain(f"    {gate['gate']:<18} {gate['objection'] or 'passes'}")
    for step in found["plan"]:
        yield plain(f"  would {step['plan']} ({step['action']})")


def _verdict(recorded: dict[str, Any]) -> str:
    said = f"{recorded['remediation'] or 'no remediation'}: {recorded['decision']}: {recorded['reason']}"
    due = f", looked at again at {recorded['due_at']}" if recorded["due_at"] and recorded["run_id"] is None else ""
    if (run := recorded["run"]) is None:
        return said + due
    return f"{said} (run {recorded['run_id']}: {run['outcome'] or run['state']}: {run['reason']})"
