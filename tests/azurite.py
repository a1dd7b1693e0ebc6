"""Where Microsoft's emulator of Azure is, if it is: it comes from npm, which the tests do not ask for."""

from __future__ import annotations

import os
import shutil

AZURITE = os.environ.get("CHRONOS_AZURITE") or shutil.which("azurite-blob")
