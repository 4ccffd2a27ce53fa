"""A broadcast that is interrupted twice, as a process."""

from __future__ import annotations

import subprocess
import sys


def test_a_second_ctrl_c_ends_the_process_at_once_and_says_how_to_go_on() -> None:
    script = (
        "import os, signal, sys, time\n"
        "from whatschat_ops.cli.ws.broadcast_progress import BroadcastProgress\n"
        "from whatschat_ops.cli.terminal.output import Output\n"
        "with BroadcastProgress(Output(), 'resume it').shown():\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(30)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 130
    assert "Stopped. To resume: resume it" in done.stderr
