"""What the broker says of our topics and groups, for people: `chronos topics` and `chronos doctor`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # they are there
    AdminClient,
    ConfigResource,
    OffsetSpec,
    ResourceType,
)

from schemas.event import Coordinates
from schemas.topics import TOPICS, Topic
from streams.kafka import BrokerAway, Cluster

SECONDS = 5.0  # a broker that is there answers in milliseconds

Ends = dict[tuple[str, int], int]


@dataclass(frozen=True)
class OnBroker:
    """A topic as the broker has it."""

    partitions: int
    config: dict[str, str]
    records: int


@dataclass(frozen=True)
class Group:
    """A consumer group: how many members work for it, and how many records it is behind."""

    name: str
    members: int
    lag: int
    waiting: tuple[Coordinates, ...] = ()  # the first record of each partition that it has not done


def differences(topic: Topic, there: OnBroker) -> list[str]:
    """In what a topic is not as the code has it."""
    found = []
    if there.partitions != topic.partitions:
        found.append(f"{there.partitions} partitions instead of {topic.partitions}")
    for name, wanted in topic.config.items():
        if there.config.get(name) != wanted:
            found.append(f"{name} is {there.config.get(name)} instead of {wanted}")
    return found


class Broker:
    """Asks within a few seconds. All its methods block, and raise BrokerAway."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._admin = AdminClient(cluster.settings({"socket.timeout.ms": int(SECONDS * 1000)}))

    def topics(self) -> dict[str, OnBroker]:
        """Those of our topics that are there."""
        partitions = self._partitions()
        ends = self.ends(partitions)
        configs = self._configs(partitions)
        return {
            name: OnBroker(count, configs[name], sum(ends[name, partition] for partition in range(count)))
            for name, count in partitions.items()
        }

    def groups(self, wanted: Iterable[tuple[str, Iterable[str]]]) -> list[Group]:
        """The given groups, each with the topics that it reads."""
        wanted = [(name, list(topics)) for name, topics in wanted]
        partitions = self._partitions()
        ends = self.ends(partitions)
        members = self._members([name for name, _ in wanted])
        found = []
        for name, topics in wanted:
            places = [(t, p) for t in topics for p in range(partitions.get(t, 0))]
            committed = self._committed(name)
            behind = {place: committed.get(place, 0) for place in places if ends[place] > committed.get(place, 0)}
            waiting = tuple(Coordinates(topic=t, partition=p, offset=at) for (t, p), at in behind.items())
            lag = sum(ends[place] - at for place, at in behind.items())
            found.append(Group(name, members[name], lag, waiting))
        return found

    def spans(self) -> dict[str, list[tuple[int, int]]]:
        """First and next offset of each partition of those of our topics that are there."""
        partitions = self._partitions()
        begins = self._offsets(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]  # it has no types
        ends = self.ends(partitions)
        return {name: [(begins[name, p], ends[name, p]) for p in range(count)] for name, count in partitions.items()}

    def ends(self, partitions: dict[str, int]) -> Ends:
        """The offset after the last record of each partition."""
        return self._offsets(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]  # it has no types

    def _offsets(self, partitions: dict[str, int], which: OffsetSpec) -> Ends:
        places = {TopicPartition(t, p): which for t, count in partitions.items() for p in range(count)}
        try:
            futures = self._admin.list_offsets(places, request_timeout=SECONDS) if places else {}
            return {(at.topic, at.partition): future.result(SECONDS).offset for at, future in futures.items()}
        except (KafkaException, TimeoutError) as error:
            raise self._away(error) from error

    def _partitions(self) -> dict[str, int]:
        try:
            there = self._admin.list_topics(timeout=SECONDS).topics
        except (KafkaException, TimeoutError) as error:
            raise self._away(error) from error
        return {name: len(there[name].partitions) for name in TOPICS if name in there}

    def _configs(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        asked = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        try:
            futures = self._admin.describe_configs(asked, request_timeout=SECONDS) if asked else {}
            return {
                resource.name: {key: entry.value for key, entry in future.result(SECONDS).items()}
                for resource, future in futures.items()
            }
        except (KafkaException, TimeoutError) as error:
            raise self._away(error) from error

    def _members(self, names: list[str]) -> dict[str, int]:
        try:
            futures = self._admin.describe_consumer_groups(names, request_timeout=SECONDS)
            return {name: len(future.result(SECONDS).members) for name, future in futures.items()}
        except (KafkaException, TimeoutError) as error:
            raise self._away(error) from error

    def _committed(self, name: str) -> dict[tuple[str, int], int]:
        asked = [ConsumerGroupTopicPartitions(name)]
        try:
            futures = self._admin.list_consumer_group_offsets(asked, request_timeout=SECONDS)
            places = futures[name].result(SECONDS).topic_partitions
        except (KafkaException, TimeoutError) as error:
            raise self._away(error) from error
        return {(place.topic, place.partition): place.offset for place in places if place.offset >= 0}

    def _away(self, error: KafkaException | TimeoutError) -> BrokerAway:
        said = "it was silent for too long" if isinstance(error, TimeoutError) else error.args[0].str()
        return BrokerAway(f"no broker answers at {self._cluster.bootstrap}: {said}")
