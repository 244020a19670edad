"""Takes the watch of a directory away from a process, which hears nothing of it: unwatch.py PID DIRECTORY"""
import ctypes
import os
import pathlib
import signal
import sys

libc = ctypes.CDLL(None, use_errno=True)
PIDFD_OPEN, PIDFD_GETFD = 434, 438


def watch(process, inode):
    """Descriptor of inotify and number of the watch of an inode; of several, where it has most watches."""
    found = []
    for entry in pathlib.Path(f"/proc/{process}/fdinfo").iterdir():
        lines = [line.split() for line in entry.read_text().splitlines() if line.startswith("inotify ")]
        numbers = [int(words[1].split(":")[1], 16) for words in lines if int(words[2].split(":")[1], 16) == inode]
        found += [(len(lines), int(entry.name), number) for number in numbers]
    return max(found)[1:]


process, directory = int(sys.argv[1]), sys.argv[2]
descriptor, number = watch(process, os.stat(directory).st_ino)
os.kill(process, signal.SIGSTOP)
try:
    pidfd = libc.syscall(PIDFD_OPEN, process, 0)
    taken = libc.syscall(PIDFD_GETFD, pidfd, descriptor, 0)
    assert pidfd >= 0 and taken >= 0, os.strerror(ctypes.get_errno())
    assert libc.inotify_rm_watch(taken, number) == 0, os.strerror(ctypes.get_errno())
    os.read(taken, 65536)
finally:
    os.kill(process, signal.SIGCONT)
