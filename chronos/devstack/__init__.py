"""The embedded stack: real Kafka, Postgres and AI for a machine that has none, started and stopped as one."""
