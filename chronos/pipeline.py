"""The pipeline as data: five functions, delete-video, send-webhooks, the projections. Lists, docs and tests walk it."""

from __future__ import annotations

from agents.batch_reprocess_embeddings import batch_reprocess_embeddings
from agents.delete_video import delete_video
from agents.failures import handle_embedding_failure, transcribe_video_error
from agents.generate_embeddings import generate_embeddings
from agents.send_webhooks import send_webhooks
from agents.transcribe_video import transcribe_video
from chronos.sides import GROUP as PROJECTION_GROUP
from projections.all import EVENTS, PROJECTIONS, TABLES

__all__ = ["EVENTS", "FUNCTIONS", "PROJECTIONS", "PROJECTION_GROUP", "TABLES"]

FUNCTIONS = (
    transcribe_video,
    transcribe_video_error,
    generate_embeddings,
    handle_embedding_failure,
    batch_reprocess_embeddings,
    delete_video,
    send_webhooks,
)
