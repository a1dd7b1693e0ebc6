"""Every projection, as data: what the projector folds, and what `chronos verify` compares."""

from projections import chunks, deletions, embeddings, ledgers, transcripts, videos

PROJECTIONS = (
    videos.PROJECTION,
    transcripts.PROJECTION,
    chunks.PROJECTION,
    embeddings.PROJECTION,
    ledgers.PROJECTION,
    deletions.PROJECTION,
)

TABLES = tuple(table for projection in PROJECTIONS for table in projection.tables)
EVENTS = tuple({event.name: event for projection in PROJECTIONS for event in projection.events}.values())
