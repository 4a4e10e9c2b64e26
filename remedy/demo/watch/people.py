"""Watches whether people were told."""

from remedy.demo.people import People
from remedy.demo.watch.sighting import Mood, Sighting, Stage


class PeopleWatch:
    """Sees each message that reaches people."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._seen = 0

    def look(self) -> list[Sighting]:
        """Return the messages that came since the last look."""
        pages = self._people.pages[self._seen :]
        self._seen += len(pages)
        return [
            Sighting(page.at, Stage.PEOPLE, f"people are told of {subject}", Mood.BAD)
            for page in pages
            for subject in page.subjects()
        ]
