"""What may be committed is before everything that is still being worked on."""

from aiokafka import TopicPartition

from consumers.window import Window

HERE, THERE = TopicPartition("t", 0), TopicPartition("t", 1)


def test_nothing_is_done_before_the_first_record_is() -> None:
    window = Window()
    assert window.done() == {}
    window.begin(HERE, 7)
    window.begin(HERE, 8)
    assert window.done() == {HERE: 7}


def test_a_later_record_that_ends_first_waits_for_the_earlier() -> None:
    window = Window()
    for offset in (7, 8, 11):
        window.begin(HERE, offset)
    window.begin(THERE, 0)
    window.end(HERE, 8)
    assert window.done() == {HERE: 7, THERE: 0}
    window.end(HERE, 7)
    assert window.done() == {HERE: 11, THERE: 0}
    window.end(HERE, 11)
    assert window.done() == {HERE: 12, THERE: 0}


def test_a_partition_that_was_left_is_no_business_of_ours() -> None:
    window = Window()
    window.begin(HERE, 7)
    window.forget(HERE)
    window.end(HERE, 7)
    assert window.done() == {}
    window.begin(HERE, 3)
    assert window.done() == {HERE: 3}


def test_what_is_under_way_has_begun_and_not_ended() -> None:
    window = Window()
    for offset in (7, 8):
        window.begin(HERE, offset)
    window.begin(THERE, 0)
    window.end(HERE, 7)
    assert window.under_way() == {HERE: 1, THERE: 1}
