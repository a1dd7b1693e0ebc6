"""Runs the local AI in a process of its own: `python -m chronos.devstack.local_ai --port 8290 --bill FILE`."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

PATIENCE = 2  # seconds that calls in the air get to end in, at a stop


def main() -> None:
    asked = _arguments()
    # Threads of a model that has nothing to do must sleep: by default they spin, beside Kafka and the workers.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    listening = _listen(asked.port)
    if asked.ready_file:
        _say_ready(asked.ready_file, listening.getsockname()[1])
    with suppress(KeyboardInterrupt):
        _serve(listening, asked.bill)
    # A model cannot be stopped half-way, and nobody waits for it now: do not join its thread.
    sys.stdout.flush()
    os._exit(0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chronos.devstack.local_ai", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 for a free one")
    parser.add_argument("--bill", type=Path, required=True, help="file that gets a line for each paid call")
    parser.add_argument("--ready-file", type=Path, help="is written when the server can be reached: {port, pid, url}")
    return parser.parse_args()


def _listen(port: int) -> socket.socket:
    """Listens before the server is there: who connects now waits a moment, and is not refused."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        sys.exit(f"local AI: cannot listen on 127.0.0.1:{port}: {error.strerror}; choose another --port")
    listening.listen(128)
    return listening


def _say_ready(file: Path, port: int) -> None:
    part = file.with_name(f".{file.name}.part")
    part.write_text(json.dumps({"port": port, "pid": os.getpid(), "url": f"http://127.0.0.1:{port}/v1"}))
    os.replace(part, file)


def _serve(listening: socket.socket, bill: Path) -> None:
    import uvicorn

    from chronos.devstack.local_ai.bill import BillFile
    from chronos.devstack.local_ai.models import E5Small, WhisperTiny
    from chronos.devstack.local_ai.server import Service, create_app

    app = create_app(Service([WhisperTiny()], [E5Small()], BillFile(bill)))
    # Crashes are logged by the app; uvicorn would add a stack trace for each call that a stop cuts off.
    config = uvicorn.Config(app, log_level="critical", ws="none", timeout_graceful_shutdown=PATIENCE)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
