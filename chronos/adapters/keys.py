"""Keys: how objects are named in a store, whichever it is. Pure."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import quote

from agents.ports import OutsideStore

BUCKETS = re.compile(r"^(?P<scheme>s3|gs|az|supabase)://(?P<bucket>[\w.-]+)(?:/(?P<rest>[^?#]*))?$")
"""The URL of a bucket, of a prefix in it, or of an object."""

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:/")


def key_of(path: str) -> PurePosixPath:
    """A storage path as a relative key.

    Raises:
        OutsideStore: it says of itself that it is none.
    """
    remedy = "give the key of an object in the store, such as 'anna/lecture.mp4'"
    if _SCHEME.match(path):
        raise OutsideStore(f"{path!r} is outside the store: it is of another scheme; {remedy}")
    key = PurePosixPath(path)
    if not key.parts or "\0" in path or not path.isprintable():
        raise OutsideStore(f"{path!r} is outside the store: it is no name of a file; {remedy}")
    if key.is_absolute() or ".." in key.parts:
        raise OutsideStore(f"{path!r} is outside the store: no absolute path and no '..'; {remedy}")
    return key


def upload_key(creator_id: str, digest: str, name: str) -> str:
    """What an upload is called: its content decides, so that the same one twice is one object."""
    return f"{_safe(creator_id)}/{digest[:16]}-{_safe_name(name)}"


def _safe(creator_id: str) -> str:
    """The creator's id as one path element; different ids stay different."""
    quoted = quote(creator_id, safe=" ")
    return quoted.replace(".", "%2E") if not quoted.strip(".") else quoted


def _safe_name(name: str) -> str:
    """A file name that people recognise, of letters, digits, dots and dashes, with its suffix."""
    stem, dot, suffix = name.rpartition(".")
    clean = [re.sub(r"[^\w.-]+", "-", part).strip("-.") for part in ((stem, suffix) if dot else (name, ""))]
    return ".".join(part[:80] for part in clean if part) or "video"
