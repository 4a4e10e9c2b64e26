"""Two real Alertmanagers, clustered or not, that send to one real bridge: whatever they send twice, late or again."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from remedy.demo.ports import free_ports
from tests.bridge.durability.process import BridgeProcess
from tests.bridge.real_stack import TOOLS, Server, post
from tests.bridge.world import alert, notification
from tests.e2e.waiting import wait_for

DOWN = {"alertname": "Down", "instance": "web-1:9100"}
CONFIGURATION = """
alertmanagers: [{{url: "{one}"}}, {{url: "{other}"}}]
defaults: {{cooldown: 0s, max_retries: 0}}
remediations:
  - {{name: down, match: 'alertname="Down"', steps: [{{wait: {{duration: 10ms}}}}], verify: none}}
"""


class Pair:
    """Two Alertmanagers that gossip (or not), and the bridge to which both send: none waits for the other."""

    def __init__(self, folder: Path, *, clustered: bool = True) -> None:
        self.folder, (port, first, second) = folder, free_ports(3)
        hook = {"url": f"http://127.0.0.1:{port}/webhook", "send_resolved": True}
        route = {
            "receiver": "bridge",
            "group_by": ["..."],
            "group_wait": "0s",
            "group_interval": "1s",
            "repeat_interval": "4s",
        }
        file = folder / "alertmanager.yml"
        file.write_text(yaml.safe_dump({"route": route, "receivers": [{"name": "bridge", "webhook_configs": [hook]}]}))
        self.one = self._alertmanager(folder, "one", file, first if clustered else None, None)
        self.other = self._alertmanager(folder, "other", file, second if clustered else None, first)
        self.bridge = BridgeProcess(folder, CONFIGURATION.format(one=self.one.url, other=self.other.url), port)

    def _alertmanager(self, folder: Path, name: str, file: Path, gossip: int | None, peer: int | None) -> Server:
        argv = [TOOLS.alertmanager, f"--config.file={file}", f"--storage.path={folder / name}"]
        argv += [f"--cluster.listen-address={f'127.0.0.1:{gossip}' if gossip else ''}"]
        argv += ["--cluster.peer-timeout=1ms", "--cluster.settle-timeout=1s"]
        argv += [f"--cluster.peer=127.0.0.1:{peer}"] if gossip and peer else []
        return Server(f"am-{name}", *free_ports(1), argv, folder)

    def start(self) -> None:
        """Start all three."""
        self.bridge.start()
        self.one.start()
        self.other.start()

    def close(self) -> None:
        """End them."""
        for server in (self.one, self.other):
            server.stop()
            server.client.close()
        self.bridge.close()

    def fire(self, labels: dict[str, str], starts_at: float, *to: Server, over: bool = False) -> None:
        """Tell Alertmanagers (both, unless said otherwise), as a Prometheus does."""
        body: dict[str, Any] = {"labels": labels, "startsAt": datetime.fromtimestamp(starts_at, UTC).isoformat()}
        if over:
            body["endsAt"] = datetime.now(UTC).isoformat()
        for server in to or (self.one, self.other):
            post(server, "/api/v2/alerts", [body])

    def resolve(self, labels: dict[str, str], starts_at: float) -> None:
        """Tell both that it is over."""
        self.fire(labels, starts_at, over=True)

    def senders(self) -> set[str]:
        """Return who has sent so far, by the log of each Alertmanager."""
        return {s.url for s in (self.one, self.other) if sent(s)}

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs."""
        return self.bridge.ask("GET", "/api/v1/runs")[1]["runs"]

    def episodes(self) -> list[str]:
        """Return the states of the episodes, the latest first."""
        return [each["state"] for each in self.bridge.ask("GET", "/api/v1/episodes")[1]["episodes"]]

    def counted(self, decision: str) -> float:
        """Return how often something was decided, without a remediation."""
        text = self.bridge.ask("GET", "/metrics")[1].decode()
        name = f'remediation_decisions_total{{decision="{decision}",remediation=""}} '
        return sum(float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name))


def sent(server: Server) -> float:
    """Return how many webhooks an Alertmanager has delivered."""
    lines = server.text("/metrics").splitlines()
    name = 'alertmanager_notifications_total{integration="webhook"} '
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with closing(Pair(tmp_path)) as made:
        made.start()
        yield made


def test_what_both_send_is_run_once_and_a_return_is_run_again(pair: Pair) -> None:
    began = time.time()
    pair.fire(DOWN, began)
    wait_for(lambda: sent(pair.one) >= 1 and sent(pair.other) >= 1)
    wait_for(lambda: pair.counted("duplicate") >= 1 and [run["outcome"] for run in pair.runs()] == ["unverified"])
    before = pair.counted("duplicate")
    wait_for(lambda: pair.counted("duplicate") > before)  # repeated, by whichever of them
    assert (len(pair.runs()), pair.episodes()) == (1, ["open"])
    pair.resolve(DOWN, began)
    wait_for(lambda: pair.episodes() == ["closed"])
    again = time.time()
    pair.fire(DOWN, again)
    wait_for(lambda: [run["outcome"] for run in pair.runs()] == ["unverified"] * 2)
    assert pair.episodes() == ["open", "closed"]


@pytest.mark.slow
def test_a_stale_copy_opens_nothing_and_a_real_return_with_the_old_start_does(pair: Pair) -> None:
    """The copies that a crashed peer sends after `resolved`; then the alert is back with the start that it had."""
    began = time.time()
    pair.fire(DOWN, began)
    wait_for(lambda: [run["outcome"] for run in pair.runs()] == ["unverified"])
    pair.resolve(DOWN, began)
    wait_for(lambda: pair.episodes() == ["closed"])
    (known,) = pair.bridge.ask("GET", "/api/v1/episodes")[1]["episodes"]
    copy = notification(alert(DOWN, starts_at=datetime.fromisoformat(known["starts_at"]).timestamp()))
    for _ in range(3):
        assert pair.bridge.ask("POST", "/webhook", copy)[0] == 200
    assert pair.episodes()[0] == "returning"
    time.sleep(17)
    assert len(pair.runs()) == 1
    pair.fire(DOWN, began)
    wait_for(lambda: len(pair.runs()) == 2, within=40)
    assert pair.episodes().count("open") == 1


@pytest.mark.slow
def test_one_that_was_killed_sends_again_what_is_known(pair: Pair) -> None:
    began = time.time()
    pair.fire(DOWN, began)
    wait_for(lambda: [run["outcome"] for run in pair.runs()] == ["unverified"])
    pair.other.kill()
    pair.fire(DOWN, began, pair.one)
    pair.other.start()
    before = pair.counted("duplicate")
    pair.fire(DOWN, began)
    wait_for(lambda: sent(pair.other) >= 1 and pair.counted("duplicate") > before)
    assert (len(pair.runs()), pair.episodes()) == (1, ["open"])


@pytest.fixture
def strangers(tmp_path: Path) -> Iterator[Pair]:
    """Two that know nothing of each other, as where somebody forgot to make a cluster of them."""
    with closing(Pair(tmp_path, clustered=False)) as made:
        made.start()
        yield made


@pytest.mark.slow
def test_of_two_strangers_each_sends_all_of_it_and_one_run_comes_of_it(strangers: Pair) -> None:
    began = time.time()
    strangers.fire(DOWN, began)
    wait_for(lambda: sent(strangers.one) >= 2 and sent(strangers.other) >= 2)
    wait_for(lambda: [run["outcome"] for run in strangers.runs()] == ["unverified"])
    assert strangers.episodes() == ["open"]
    strangers.resolve(DOWN, began)
    wait_for(lambda: strangers.episodes() == ["closed"])
    until = sent(strangers.one) + 1, sent(strangers.other) + 1
    strangers.fire(DOWN, again := time.time())
    wait_for(lambda: sent(strangers.one) >= until[0] and sent(strangers.other) >= until[1])
    wait_for(lambda: [run["outcome"] for run in strangers.runs()] == ["unverified"] * 2)
    assert strangers.episodes() == ["open", "closed"]
    strangers.resolve(DOWN, again)


@pytest.mark.slow
def test_of_two_strangers_one_silence_holds_and_one_that_forgot_everything_repeats_what_is_known(
    strangers: Pair,
) -> None:
    made = silence(strangers.other)
    strangers.fire(DOWN, time.time())
    wait_for(lambda: sent(strangers.one) >= 1)
    decided = wait_for(lambda: strangers.bridge.ask("GET", "/api/v1/decisions")[1]["decisions"])
    assert [(each["decision"], each["reason"]) for each in decided][-1] == ("silenced", f"silenced by {made}")
    assert strangers.runs() == []
    strangers.other.kill()
    shutil.rmtree(strangers.folder / "other")
    strangers.other.start()
    strangers.fire(DOWN, time.time())
    wait_for(lambda: [run["outcome"] for run in strangers.runs()] == ["unverified"])
    wait_for(lambda: sent(strangers.other) >= 1)
    assert (len(strangers.runs()), strangers.episodes()) == (1, ["open"])


def silence(server: Server) -> str:
    """Silence what is down, at one Alertmanager."""
    now = datetime.now(UTC)
    body = {
        "matchers": [{"name": "alertname", "value": "Down", "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": datetime.fromtimestamp(now.timestamp() + 300, UTC).isoformat(),
        "createdBy": "a test",
        "comment": "",
    }
    return str(post(server, "/api/v2/silences", body)["silenceID"])


@pytest.mark.slow
def test_a_silence_made_at_one_holds_and_its_end_lets_go(pair: Pair) -> None:
    pair.other.stop()  # only one of them knows the silence, and the other cannot hear of it any more
    made = silence(pair.one)
    began = time.time()
    post(pair.one, "/api/v2/alerts", [{"labels": DOWN}])
    assert pair.bridge.ask("POST", "/webhook", notification(alert(DOWN, starts_at=began)))[0] == 200
    held = wait_for(
        lambda: [d for d in pair.bridge.ask("GET", "/api/v1/decisions")[1]["decisions"] if d["decision"] == "silenced"]
    )
    assert held[0]["reason"] == f"silenced by {made}"
    pair.one.delete(f"/api/v2/silence/{made}")
    wait_for(lambda: [run["outcome"] for run in pair.runs()] == ["unverified"])
    json.dumps(pair.runs())
