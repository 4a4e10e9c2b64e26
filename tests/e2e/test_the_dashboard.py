"""The Grafana dashboard's queries against the live stack: no panel and no list of choices is empty."""

import re

from remedy.config.shipped import shipped
from remedy.demo.configs import RESTART
from tests.e2e.waiting import wait_for
from tests.monitoring import dashboard

_LIST = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")


class Empty(list):
    """Panels without series; true when there are none."""

    def __bool__(self):
        return not len(self)


def test_no_panel_is_empty_once_things_were_healed(live):
    while len(live.ask("runs", outcome="fixed")) < 2:  # a histogram's first observation is no rate
        live.ended_run(RESTART, live.kill())
        live.calm()
    drawn = dashboard.read(shipped("monitoring") / "grafana-dashboard.json")
    wait_for(lambda: Empty(dashboard.without_series(drawn, live.query)), within=30)


def test_every_variable_has_something_to_choose(live):
    drawn = dashboard.read(shipped("monitoring") / "grafana-dashboard.json")
    for name, query in dashboard.variable_queries(drawn).items():
        found = _LIST.fullmatch(query)
        selector = found["selector"].replace("$instance", ".*")
        values = {series["metric"].get(found["label"]) for series in live.query(selector)}
        assert values - {None}, f"nothing to choose for {name}: {query}"
