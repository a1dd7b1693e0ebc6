"""The house is ours: our packages have plain names, and another distribution that installs one of them is met here."""

from __future__ import annotations

from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("schemas", "streams", "agents", "projections", "chronos")
ROOT = Path(__file__).resolve().parent.parent


class NotOurs(Exception):
    """One of our packages is imported from elsewhere."""


def check() -> None:
    """Costs a millisecond: nothing is imported.

    Raises:
        NotOurs: names the package, where it comes from, whose it is, and the remedy.
    """
    for name in PACKAGES:
        place = _folder(name)
        if place != ROOT / name:
            raise NotOurs(
                f"`{name}` is imported from {place or 'nowhere'}, which belongs to {_owner(name, place)}; "
                "give Chronos a virtual environment of its own: `make clean`, then `make demo`"
            )


def _folder(package: str) -> Path | None:
    spec = find_spec(package)
    if spec is None:
        return None
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    folder = Path(places[0]).resolve() if places else None
    return folder.parent if folder and spec.origin else folder


def _owner(package: str, place: Path | None) -> str:
    """The distribution that installed it; or nobody that the environment knows, as for a folder on PYTHONPATH."""
    owners = packages_distributions().get(package, []) if place and "site-packages" in place.parts else []
    return ", ".join(sorted(set(owners))) or "no installed distribution"
