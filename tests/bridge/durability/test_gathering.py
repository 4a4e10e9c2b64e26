"""How what waits to be written comes together: all of it, once, in order, and nobody waits for who does not come."""

import threading

from bridge.ledger.gathering import Gathering


def taken(gathering):
    groups = []
    while group := gathering.take():
        groups.append(group)
    return groups


def test_what_waits_is_one_group_as_large_as_a_group_may_be():
    gathering = Gathering(3)
    assert all(gathering.put(number) for number in range(5))
    assert [gathering.take(), gathering.take()] == [[0, 1, 2], [3, 4]]


def test_who_comes_a_little_later_is_waited_for_where_as_many_came_before():
    gathering, groups = Gathering(10, longest=50), []
    gathering.put(1)
    gathering.put(2)
    assert gathering.take() == [1, 2]
    gathering.put(3)
    reader = threading.Thread(target=lambda: groups.append(gathering.take()))
    reader.start()
    for number in (4, 5):
        reader.join(0.05)
        gathering.put(number)
    reader.join()
    assert groups == [[3, 4, 5]], "two had come before, and the third meanwhile"


def test_a_group_does_not_wait_for_ever_for_as_many_as_the_last_one_had():
    gathering = Gathering(10)
    for number in range(8):
        gathering.put(number)
    gathering.take()
    gathering.put("alone")
    assert gathering.take() == ["alone"]


def test_after_the_end_nothing_is_taken_in_and_what_waited_is_handed_over():
    gathering = Gathering(2)
    for number in range(3):
        gathering.put(number)
    assert [gathering.close(), gathering.close()] == [True, False]
    assert not gathering.put("late")
    assert taken(gathering) == [[0, 1], [2]]


def test_everything_is_taken_once_and_in_each_ones_order():
    gathering, groups = Gathering(7), []
    reader = threading.Thread(target=lambda: groups.extend(taken(gathering)))
    writers = [
        threading.Thread(target=lambda name=name: [gathering.put((name, n)) for n in range(500)]) for name in range(4)
    ]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    gathering.close()
    reader.join()
    found = [work for group in groups for work in group]
    assert len(found) == 2000
    assert max(map(len, groups)) <= 7
    for name in range(4):
        assert [number for who, number in found if who == name] == list(range(500))
