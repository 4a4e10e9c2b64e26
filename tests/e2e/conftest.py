"""One stack for the stories, started by the demo's own code."""

import pytest

from remedy.demo.people import People
from remedy.demo.place import Place
from remedy.demo.programs import Ports, Settings, Tools, plan
from remedy.demo.shipped import Timing
from remedy.demo.stack import Stack
from tests.e2e.live import Live

PEOPLE_WAIT = 8
"""Seconds from an alert's firing until people are told: longer than a fix takes from there."""


@pytest.fixture(scope="package")
def running_stack(tmp_path_factory):
    """Everything that the demo starts, for all stories; nothing is mocked."""
    ports, said = Ports.free(), []
    settings = Settings(timing=Timing(people_wait=f"{PEOPLE_WAIT}s", people_interval="1s"))
    with Place(tmp_path_factory.mktemp("stack")) as place, People(ports.people) as people:
        with Stack(plan(place, ports, Tools.found(), settings), said.append) as stack:
            yield Live(stack, people)
            stack.check()
        assert said == [], "a process ended during the stories"


@pytest.fixture
def live(running_stack):
    """The stack, with nothing wrong and nobody told of anything."""
    running_stack.calm()
    return running_stack
