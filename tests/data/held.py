"""Holds up the opening of a file, and says so: held.py FILE

Whoever opens it waits (fanotify_mark(2), FAN_OPEN_PERM) until this program's standard input ends, and it with it."""

import ctypes, os, sys

FAN_CLASS_CONTENT, FAN_CLOEXEC, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD = 4, 1, 1, 0x10000, -100

libc = ctypes.CDLL(None, use_errno=True)
listener = libc.fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, os.O_RDONLY)
mask = ctypes.c_uint64(FAN_OPEN_PERM)
if listener < 0 or libc.fanotify_mark(listener, FAN_MARK_ADD, mask, AT_FDCWD, os.fsencode(sys.argv[1])) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
print("held", flush=True)
sys.stdin.read()
