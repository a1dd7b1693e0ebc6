"""From settings to stores: the own one, others that are named, and links."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from chronos.adapters.downloading import USUAL, Patience
from chronos.adapters.file_storage import FileStorage
from chronos.adapters.https_storage import HttpsStorage
from chronos.adapters.keys import BUCKETS
from chronos.adapters.links import Hosts
from chronos.adapters.routed_storage import RoutedStorage
from chronos.adapters.store import Store
from chronos.config import Settings

_RETRIES: Any = {
    "max_retries": 5,
    "backoff": {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=5)},
}
"""Of each request of an upload: nobody else repeats it."""

_NO_RETRIES: Any = {"max_retries": 0}
"""A download goes on by itself, with If-Match, which obstore leaves out where it goes on."""

_FORMS = "a store is file:///folder, s3://bucket/prefix, gs://, az:// or supabase://"


class BadStore(ValueError):
    """A store that the settings name cannot be used as it is named."""


def all_of(settings: Settings) -> RoutedStorage:
    """Everything that a storage path may lead to.

    Raises:
        BadStore.
    """
    patience = Patience(largest=settings.largest_download)
    web = HttpsStorage(Hosts(settings.https_hosts), allow_own=settings.allow_private_addresses, patience=patience)
    own_url = settings.storage()
    own = opened(own_url, settings, patience)
    others = {url: opened(url, settings, patience) for url in settings.stores}
    named = {
        place: store for url, store in (*others.items(), (own_url, own)) for place in _places(url.rstrip("/"), settings)
    }
    return RoutedStorage(own, web, named)


def _places(url: str, settings: Settings) -> Iterator[str]:
    """What URLs of objects in a store begin with. Supabase's links have their key in a query: ours serves as well, and
    does not expire."""
    found = BUCKETS.match(url)
    if found is None:
        return
    yield url
    if found["scheme"] == "supabase":
        for how in ("sign", "authenticated", "public"):
            yield f"{(settings.supabase_url or '').rstrip('/')}/storage/v1/object/{how}/{url.removeprefix('supabase://')}"


def opened(url: str, settings: Settings, patience: Patience = USUAL) -> Store:
    """The store of a URL.

    Raises:
        BadStore.
    """
    if url.startswith("file:"):
        return FileStorage.from_url(url)
    return (_supabase if _parts(url)[0] == "supabase" else _in_bucket)(url, settings, patience)


@dataclass(frozen=True)
class _Product:
    """One of obstore's stores, and what the settings say of it."""

    make: Callable[..., Any]
    config: Mapping[str, SecretStr | str | None]
    endpoint: str | None

    def options(self, patience: Patience) -> dict[str, Any]:
        """What is set, as obstore takes it; what is not, it takes from the environment."""
        known = {name: _shown(value) for name, value in self.config.items() if value}
        client = {
            "allow_http": bool(self.endpoint and self.endpoint.startswith("http:")),
            "connect_timeout": timedelta(seconds=patience.connect),
            "read_timeout": timedelta(seconds=patience.stall),
            "timeout": timedelta(seconds=patience.longest),
        }
        return {"config": known, "client_options": client}


def _shown(value: SecretStr | str | None) -> str | None:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _s3(settings: Settings) -> _Product:
    from obstore.store import S3Store

    config = {
        "access_key_id": settings.aws_access_key_id,
        "secret_access_key": settings.aws_secret_access_key,
        "session_token": settings.aws_session_token,
        "region": settings.aws_region or ("us-east-1" if settings.aws_endpoint_url else None),
        "endpoint": settings.aws_endpoint_url,
    }
    return _Product(S3Store, config, settings.aws_endpoint_url)


def _gs(settings: Settings) -> _Product:
    from obstore.store import GCSStore

    host = settings.storage_emulator_host  # as Google's own clients read it: a server of one's own, without keys
    host = f"http://{host}" if host and "://" not in host else host
    account = {"gcs_base_url": host, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
    config = {
        "service_account_key": json.dumps(account) if host else None,
        "application_credentials": settings.google_application_credentials,
    }
    return _Product(GCSStore, config, host)


def _az(settings: Settings) -> _Product:
    from obstore.store import AzureStore

    config = {
        "account_name": settings.azure_storage_account_name,
        "account_key": settings.azure_storage_account_key,
        "sas_key": settings.azure_storage_sas_token,
        "client_secret": settings.azure_client_secret,
        "endpoint": settings.azure_storage_endpoint,
    }
    return _Product(AzureStore, config, settings.azure_storage_endpoint)


_PRODUCTS: Mapping[str, Callable[[Settings], _Product]] = {"s3": _s3, "gs": _gs, "az": _az}


def _in_bucket(url: str, settings: Settings, patience: Patience) -> Store:
    from chronos.adapters.object_storage import ObjectStorage

    scheme, bucket, prefix = _parts(url)
    product = _PRODUCTS[scheme](settings)
    reads, writes = (
        product.make(bucket, prefix=prefix or None, retry_config=retries, **product.options(patience))
        for retries in (_NO_RETRIES, _RETRIES)
    )
    return ObjectStorage(url, reads, writes, patience)


def _supabase(url: str, settings: Settings, patience: Patience) -> Store:
    from chronos.adapters.supabase_storage import Project, SupabaseStorage

    if not settings.supabase_url or settings.supabase_service_role_key is None:
        raise BadStore(f"{url} needs SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY: set both")
    project = Project(settings.supabase_url, settings.supabase_service_role_key.get_secret_value())
    _, bucket, prefix = _parts(url)
    return SupabaseStorage(project, bucket, prefix, patience)


def _parts(url: str) -> tuple[str, str, str]:
    """Scheme, bucket and prefix.

    Raises:
        BadStore.
    """
    if found := BUCKETS.match(url):
        return found["scheme"], found["bucket"], (found["rest"] or "").strip("/")
    raise BadStore(f"{_FORMS}, and CHRONOS_STORAGE_URL is none of these")
