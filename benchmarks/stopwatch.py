"""Run one command and tell its time, memory and writes: ``stopwatch.py LOG COMMAND…``.

It is a program of its own because Linux counts the memory of whoever starts a program to the peak
of that program: started by the benchmark, ``true`` would show hundreds of MB. Here it shows 9.
Written to standard output: exit code, seconds of wall clock and of processor, MB at the peak of the
largest process, MB written to a disk or -1.
"""

import os
import sys
import time


def written(pid: int) -> float:
    """MB that a process which has ended, and those it waited for, caused to be written to disks."""
    try:
        with open(f"/proc/{pid}/io", encoding="ascii") as file:
            fields = dict(line.split(": ") for line in file)
        return (int(fields["write_bytes"]) - int(fields["cancelled_write_bytes"])) / 1e6
    except (OSError, KeyError, ValueError):
        return -1.0


def main() -> None:
    """Run it, with its words in the file LOG."""
    sink = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    empty = os.open(os.devnull, os.O_RDONLY)
    actions = [(os.POSIX_SPAWN_DUP2, one, to) for one, to in ((empty, 0), (sink, 1), (sink, 2))]
    command = sys.argv[2:]
    started = time.perf_counter()
    try:
        pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
    except OSError as err:
        os.write(sink, f"{command[0]}: {err.strerror}\n".encode())
        print(127, 0.0, 0.0, 0.0, -1.0)
        return
    megabytes = -1.0
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    seconds = time.perf_counter() - started
    if hasattr(os, "waitid"):
        megabytes = written(pid)
    _, status, usage = os.wait4(pid, 0)
    if not hasattr(os, "waitid"):
        seconds = time.perf_counter() - started
    unit = 1 if sys.platform == "darwin" else 1024
    code = os.waitstatus_to_exitcode(status)
    print(code, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6, megabytes)


if __name__ == "__main__":
    main()
