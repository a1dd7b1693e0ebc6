"""A client for producers and readers, over HTTP: `Chronos` blocks, `AsyncChronos` is awaited; both take the same words.

    from chronos.client import Chronos
    from schemas.transcription import TranscribeRequested

    with Chronos() as chronos:
        sent = chronos.send(TranscribeRequested(video_id="lecture-01", creator_id="ada", storage_path="ada/1.mp4"))
        chronos.wait(sent)
        print(chronos.search("why is high tide later", creator="ada"))

What is not given comes from the environment: CHRONOS_URL (http://localhost:8288 without it), CHRONOS_EVENT_KEY to send,
CHRONOS_READING_KEY to read. While the server cannot be reached, or says that something passes (429, 502, 503, 504),
it is asked again for `patience` seconds, with the same idempotency key: nothing is sent twice.

All that can go wrong:

    ChronosError
    ├── BadSetting        an address or a key that cannot be one
    ├── NotReached        no server answered, for as long as the patience was
    ├── Refused           it answered with a problem (RFC 9457): title, detail, fields, status, retry_after
    │   ├── KeyRefused    401, 403: no key, a wrong one, or one of another creator
    │   ├── NotFound      404: no such video, run, or topic
    │   ├── Conflict      409: the idempotency key was used for another event
    │   ├── Invalid       422: `detail` names the fields and says what is wanted
    │   └── Unavailable   429, 502, 503, 504: it passes, but did not within the patience
    ├── VideoFailed       the run that was waited for has failed: `run`, and what was wrong in `run.error`
    │   └── VideoCancelled  somebody called it off
    └── NotYet            the wait is over before the run is; a TimeoutError too
"""

from chronos.client.clients import AsyncChronos, Chronos
from chronos.client.errors import (
    BadSetting,
    ChronosError,
    Conflict,
    Invalid,
    KeyRefused,
    NotFound,
    NotReached,
    NotYet,
    Refused,
    Unavailable,
    VideoCancelled,
    VideoFailed,
)

__all__ = [
    "AsyncChronos",
    "BadSetting",
    "Chronos",
    "ChronosError",
    "Conflict",
    "Invalid",
    "KeyRefused",
    "NotFound",
    "NotReached",
    "NotYet",
    "Refused",
    "Unavailable",
    "VideoCancelled",
    "VideoFailed",
]
