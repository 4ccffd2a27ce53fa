"""What only POSIX systems have, in the source: each use is guarded, and this says how."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import whatschat_ops

PACKAGE = Path(whatschat_ops.__file__).parent

MODULES: Final = {"curses", "fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}  # fmt: skip
OF_OS: Final = """
    O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK WNOHANG chown chroot fchown fork forkpty getegid geteuid getgid getgroups
    getloadavg getpgid getpgrp getpriority getuid killpg lchown lockf mkfifo mknod nice openpty pipe2 posix_fadvise
    posix_spawn pread preadv pwrite readv sched_getaffinity sendfile setpgid setpriority setsid setuid statvfs sync sysconf
    tcgetpgrp ttyname uname wait wait3 wait4 writev
"""
OF_SIGNAL: Final = """
    ITIMER_REAL SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGUSR1 SIGUSR2
    SIGWINCH alarm pause pthread_kill pthread_sigmask setitimer siginterrupt sigwait
"""
ATTRIBUTES: Final = {
    "os": set(OF_OS.split()),
    "signal": set(OF_SIGNAL.split()),
    "socket": {"AF_UNIX", "SO_REUSEPORT"},
    "time": {"tzset"},
}
"""What the Python documentation marks as available on Unix only."""
METHODS: Final = {
    "add_reader",
    "add_signal_handler",
    "add_writer",
    "create_unix_server",
    "open_unix_connection",
}
"""Of event loops and asyncio: the loop of Windows has none of them."""

WORDS: Final = re.compile(rf"\b({'|'.join(MODULES.union(METHODS, *ATTRIBUTES.values()))})\b")

GUARDED: Final = {
    ("config/environments.py", "os.getuid"): "asks hasattr first",
    ("handlers/log.py", "signal.SIGALRM"): "goes on without an alarm",
    ("handlers/log.py", "signal.ITIMER_REAL"): "after SIGALRM",
    ("handlers/log.py", "signal.setitimer"): "after SIGALRM",
    ("load/sockets.py", "import resource"): "no limit is known without it",
    ("local/executor/process.py", "os.killpg"): "asks os.name first",
    ("local/executor/process.py", "os.pread"): "only of a file of /proc that was opened",
    ("local/executor/process.py", "signal.SIGKILL"): "asks os.name first",
    ("local/executor/python_bootstrap.py", "os.getpgrp"): "asks hasattr first",
    ("local/executor/python_bootstrap.py", "os.killpg"): "asks hasattr first",
    ("local/process.py", "import fcntl"): "msvcrt on Windows",
    ("local/server.py", "add_signal_handler"): "signal.signal where the loop has none",
    ("local/server.py", "import resource"): "no limit is raised without it",
    ("watch/screen/running.py", "add_signal_handler"): "Textual sees Ctrl-C itself",
}


def posix_only(tree: ast.AST) -> Iterator[str]:
    """The modules, functions and methods in a module that Windows has not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"import {alias.name}" for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in {*MODULES, *ATTRIBUTES}:
            wanted = {alias.name for alias in node.names}
            known = wanted if node.module in MODULES else ATTRIBUTES[node.module]
            yield from (f"{node.module}.{name}" for name in wanted & known)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in ATTRIBUTES.get(node.value.id, ()):
                yield f"{node.value.id}.{node.attr}"
            elif node.attr in METHODS:
                yield node.attr


def test_each_use_of_what_windows_has_not_is_guarded() -> None:
    found = {
        (path.relative_to(PACKAGE).as_posix(), name)
        for path in PACKAGE.rglob("*.py")
        if WORDS.search(text := path.read_text(encoding="utf-8"))
        for name in posix_only(ast.parse(text))
    }
    assert found == GUARDED.keys()


def test_uses_are_found_in_each_form() -> None:
    source = "import fcntl\nfrom os import fork, path\nfrom pwd import getpwnam\nsignal.alarm(1)\nloop.add_reader(0, f)"
    assert set(posix_only(ast.parse(source))) == {
        "import fcntl", "os.fork", "pwd.getpwnam", "signal.alarm", "add_reader",
    }  # fmt: skip
