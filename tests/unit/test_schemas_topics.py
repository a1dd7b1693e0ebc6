"""The topics are those of the events, and keep what was written to them."""

from schemas.catalogue import CATALOGUE
from schemas.topics import TOPICS
from tests.golden.examples import EXAMPLES


def test_there_is_a_topic_for_every_event_and_one_for_dead_letters():
    assert set(TOPICS) == {*CATALOGUE, "dead-letter"}


def test_the_log_keeps_everything_for_ever():
    for topic in TOPICS.values():
        assert (topic.config["cleanup.policy"], topic.config["retention.ms"]) == ("delete", "-1"), topic.name
        assert topic.partitions == 12


def test_commands_have_the_brokers_time_so_that_no_producers_clock_decides_which_is_newer():
    clocks = {topic.kind: topic.config["message.timestamp.type"] for topic in TOPICS.values()}
    assert clocks == {"command": "LogAppendTime", "fact": "CreateTime", "raw": "CreateTime"}


def test_the_key_is_the_field_that_the_table_names():
    for event in EXAMPLES:
        assert event.key() == event.model_dump(by_alias=True)[TOPICS[event.name].key], event.name
