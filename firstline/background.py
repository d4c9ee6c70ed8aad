"""A worker of this user's own in the background, with the servers that it needs."""

import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from firstline.servers import state_folder

_READY_WITHIN = 120.0
_GONE_WITHIN = 45.0


class BackgroundError(Exception):
    """The worker could not be started or stopped; the message says why."""


def start(environ: Mapping[str, str]) -> int:
    """Start ``firstline up`` in the background, or find it running; return its process id.

    Returns once it consumes. Raises `BackgroundError`, with the end of its log, where it ends
    before that, or does not consume in time: then it is ended.
    """
    process = _running(environ) or _started(environ)
    deadline = time.monotonic() + _READY_WITHIN
    while "ready" not in _said(environ):
        if _ended(process) or time.monotonic() > deadline:
            with suppress(psutil.Error, subprocess.TimeoutExpired):
                process.terminate()
                process.wait(_GONE_WITHIN)
            end = " / ".join(_said(environ)[-5:])
            msg = f"The worker did not come up; {_log(environ)} ends with: {end}"
            raise BackgroundError(msg)
        time.sleep(0.1)
    return process.pid


def _started(environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with _log(environ).open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "firstline", "up"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=dict(environ),
        )
    _pid_file(environ).write_text(str(process.pid))
    return process


def _ended(process: psutil.Process | subprocess.Popen[bytes]) -> bool:
    if isinstance(process, subprocess.Popen):
        return process.poll() is not None
    return not process.is_running()


def _said(environ: Mapping[str, str]) -> list[str]:
    return _log(environ).read_text(errors="replace").splitlines()


def stop(environ: Mapping[str, str]) -> bool:
    """Let the worker in the background drain and end; False where there was none.

    Raises `BackgroundError` where it does not end.
    """
    running = _running(environ)
    if running is None:
        return False
    running.send_signal(signal.SIGTERM)
    try:
        running.wait(_GONE_WITHIN)
    except psutil.TimeoutExpired:
        msg = f"Process {running.pid} does not end; {_log(environ)} may say why."
        raise BackgroundError(msg) from None
    _pid_file(environ).unlink(missing_ok=True)
    return True


def _running(environ: Mapping[str, str]) -> psutil.Process | None:
    """The process of the last start, if it lives and is what it was."""
    try:
        process = psutil.Process(int(_pid_file(environ).read_text()))
        if process.cmdline()[-2:] == ["firstline", "up"]:
            return process
    except (OSError, ValueError, psutil.Error):
        return None
    return None


def _pid_file(environ: Mapping[str, str]) -> Path:
    return state_folder(environ) / "up.pid"


def _log(environ: Mapping[str, str]) -> Path:
    return state_folder(environ) / "up.log"
