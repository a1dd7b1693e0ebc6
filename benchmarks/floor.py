"""The floor beneath the engine: the same records and the same rows, batched, with no framework at all."""

from __future__ import annotations

import time

from confluent_kafka import Producer

from chronos.pipeline import TABLES
from schemas.topics import TOPICS
from streams.kafka import Cluster
from streams.postgres import Pool
from streams.reading import LogScan
from streams.record import Record


def produce(cluster: Cluster) -> tuple[int, float]:
    """Writes every record of the log once more, to the same topics; gives how many, and the seconds. Blocks."""
    records = _records(cluster)
    producer = Producer(cluster.settings({"acks": "all", "compression.type": "zstd", "linger.ms": 20}))
    began = time.monotonic()
    for record in records:
        producer.produce(record.topic, record.value, record.key, headers=list(record.headers))
        producer.poll(0)
    producer.flush()
    return len(records), time.monotonic() - began


def _records(cluster: Cluster) -> list[Record]:
    scan = LogScan(cluster)
    ends = scan.ends({name: topic.partitions for name, topic in TOPICS.items()})
    until, begins = {p: high for p, (_, high) in ends.items()}, {p: low for p, (low, _) in ends.items()}
    return [record for batch in scan.read(until, begins) for record in batch]


async def copy(pool: Pool, most: int = 500) -> tuple[int, float]:
    """Writes every row once more, into tables of the same form in another schema; gives how many, and the seconds."""
    count, seconds = 0, 0.0
    await pool.execute("CREATE SCHEMA floor")
    for table in TABLES:
        columns = table.columns()
        rows = [tuple(row) for row in await pool.fetch(f"SELECT {', '.join(map(_quoted, columns))} FROM {table.name}")]
        await pool.execute(f"CREATE TABLE floor.{table.name} (LIKE {table.name} INCLUDING ALL)")
        began = time.monotonic()
        async with pool.acquire() as connection:
            for start in range(0, len(rows), most):
                await connection.copy_records_to_table(
                    table.name, schema_name="floor", columns=columns, records=rows[start : start + most]
                )
        seconds += time.monotonic() - began
        count += len(rows)
    return count, seconds


def _quoted(name: str) -> str:
    return f'"{name}"'
