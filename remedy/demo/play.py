"""`remedy demo` from beginning to end: start, break, watch it being healed, go on until told to stop, leave nothing."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

from rich.console import Console

from remedy.demo.people import People
from remedy.demo.place import Place
from remedy.demo.programs import Plan, Ports, Settings, Tools, plan
from remedy.demo.stack import Stack
from remedy.demo.story import Ending, Narrator, stories
from remedy.demo.timeline import Timeline
from remedy.demo.watch.bridge import BridgeWatch
from remedy.demo.watch.exporter import ExporterWatch
from remedy.demo.watch.people import PeopleWatch
from remedy.demo.watch.prometheus import PrometheusWatch
from remedy.demo.watch.service import ServiceWatch
from remedy.demo.watch.sighting import Watch

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Told(BaseException):
    """A signal told the demo to end."""


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """Turn the first signal that ends a program into `Told`; later ones are ignored, since all is being ended."""

    def told(number: int, _frame: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise Told(number)

    before = {number: signal.signal(number, told) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Demo:
    """One demo. `play` returns whether everything was healed."""

    def __init__(self, console: Console, tools: Tools, folder: Path | None, notice: str = "") -> None:
        self._timeline = Timeline(console)
        self._tools, self._folder, self._notice = tools, folder, notice
        self._endings: list[Ending] = []

    def play(self, *, then_exit: bool) -> bool:
        """Play it.

        Raises:
            StackError, PlaceError, NotShippedError: it cannot go on; the message is one for people.
        """
        if self._notice:
            self._timeline.say(self._notice, "yellow")
        with ExitStack() as opened:
            opened.enter_context(ending_on_signals())
            try:
                self._play(opened, then_exit=then_exit)
            except Told:
                with suppress(OSError):  # the terminal may be gone
                    self._timeline.wait_for("ending")
                    self._timeline.say("\nTold to end: ending everything that was started.")
        return bool(self._endings) and all(ending.healed for ending in self._endings)

    def _play(self, opened: ExitStack, *, then_exit: bool) -> None:
        opened.enter_context(self._timeline)
        place = opened.enter_context(Place(self._folder))
        ports = Ports.free()
        people = opened.enter_context(People(ports.people))
        self._timeline.wait_for(f"starting everything on loopback, with its data in {place.root}")
        planned = plan(place, ports, self._tools, Settings())
        stack = opened.enter_context(Stack(planned, lambda text: self._timeline.say(f"! {text}", "yellow")))
        self._introduce(planned, place)
        narrator = Narrator(stack, _watches(stack, people), self._timeline)
        for story in stories(planned.sample):
            self._endings.append(narrator.tell(story))
            self._timeline.say(f"→ {self._endings[-1]}", "bold green" if self._endings[-1].healed else "bold red")
        self._sum_up(people)
        place.keep = place.keep or not all(ending.healed for ending in self._endings)
        if not then_exit:
            self._go_on(narrator, planned)
        elif place.keep:
            self._timeline.say(f"What happened is in {place.root}")

    def _introduce(self, planned: Plan, place: Place) -> None:
        self._timeline.say(f"Everything runs, on loopback, with its data in {place.root}:", "bold")
        for name, url in {"sample service": planned.sample.url, **planned.urls}.items():
            self._timeline.say(f"  {name:<15} {url}")

    def _sum_up(self, people: People) -> None:
        healed = sum(ending.healed for ending in self._endings)
        pages = len(people.pages)
        paged = "nobody was paged" if not pages else f"people were paged {pages} times"
        self._timeline.say(f"\nHealed {healed} of {len(self._endings)}, and {paged}.", "bold")

    def _go_on(self, narrator: Narrator, planned: Plan) -> None:
        sample = planned.sample
        self._timeline.say("It goes on running until Ctrl-C. Break it yourself, in another terminal:")
        self._timeline.say(f"  kill -9 $(cat {sample.pid_file})")
        self._timeline.say(f"  curl -X POST '{sample.url}/break?how=hang'")
        self._timeline.wait_for("watching; Ctrl-C ends everything")
        while True:
            narrator.look()


def _watches(stack: Stack, people: People) -> list[Watch]:
    sample = ServiceWatch(stack.plan.sample)
    bridge = BridgeWatch(lambda what: (stack.get("bridge", f"/api/v1/{what}", limit=100) or {}).get(what, []))
    exporter = ExporterWatch(lambda: stack.text("exporter" if "exporter" in stack.plan.urls else "bridge", "/metrics"))
    prometheus = PrometheusWatch(lambda: stack.get("prometheus", "/api/v1/alerts"))
    return [sample, exporter, prometheus, bridge, PeopleWatch(people)]
