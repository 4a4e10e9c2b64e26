"""The made-up world around the bridge: what fires, what is silenced, who answers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.decision.facts import Episode, Standing
from bridge.decision.payload import Alert
from bridge.policy.config import Settings
from bridge.policy.matchers import Matcher, all_match, parse_matcher
from remedy.rehearsal.keys import Labels, Moment

_NO_ANSWER = "no answer"


@dataclass
class Surroundings:
    """Answers for the Prometheus and the Alertmanagers of the configuration, which all see the same."""

    settings: Settings
    firing: dict[str, Alert] = field(default_factory=dict)
    """By fingerprint."""
    _silenced: list[Matcher] = field(default_factory=list)
    _inhibited: list[Matcher] = field(default_factory=list)
    _alertmanagers_answer: bool = True
    _prometheus_answers: bool = True

    def take(self, alerts: Iterable[Alert]) -> None:
        """Go by what a notification says."""
        for alert in alerts:
            self.firing.pop(alert.identity, None)
            if alert.status == "firing":
                self.firing[alert.identity] = alert

    def having(self, labels: Labels) -> list[Alert]:
        """Return what fires and has these labels."""
        return [alert for alert in self.firing.values() if labels.items() <= alert.labels.items()]

    def change(self, moment: Moment) -> None:
        """Become what a moment says."""
        for labels in moment.gone:
            for alert in self.having(labels):
                del self.firing[alert.identity]
        if moment.silenced is not None:
            self._silenced = [parse_matcher(text) for text in moment.silenced]
        if moment.inhibited is not None:
            self._inhibited = [parse_matcher(text) for text in moment.inhibited]
        if moment.alertmanager is not None:
            self._alertmanagers_answer = moment.alertmanager == "up"
        if moment.prometheus is not None:
            self._prometheus_answers = moment.prometheus == "up"

    def ask(self, episodes: Sequence[Episode]) -> Mapping[str, Standing]:
        """Say how episodes stand, by fingerprint."""
        return {episode.fingerprint: self._standing(episode) for episode in episodes}

    def _standing(self, episode: Episode) -> Standing:
        fires = episode.fingerprint in self.firing
        asked = len(self.settings.alertmanagers)
        known = fires and self._alertmanagers_answer and asked > 0
        answers = self._prometheus_answers
        there = self.settings.prometheus is not None
        return Standing(
            prometheus=fires if there and answers else None,
            prometheus_error=_NO_ANSWER if there and not answers else "",
            asked=asked,
            answered=asked if self._alertmanagers_answer else 0,
            listed=known,
            silenced_by=("the test",) if known and _any(self._silenced, episode.labels) else (),
            inhibited_by=("the test",) if known and _any(self._inhibited, episode.labels) else (),
            trouble="" if self._alertmanagers_answer else _NO_ANSWER,
        )


def _any(matchers: list[Matcher], labels: Mapping[str, str]) -> bool:
    return any(all_match([matcher], labels) for matcher in matchers)
