"""Binds a place onto itself with its owners shown as others: idmapped.py PLACE UID

What belongs to UID belongs to root there (mount_setattr(2), MOUNT_ATTR_IDMAP)."""

import ctypes, os, struct, sys

place, uid = os.fsencode(sys.argv[1]), sys.argv[2]
libc = ctypes.CDLL(None, use_errno=True)
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
CLONE_NEWUSER, OPEN_TREE_CLONE, EMPTY_PATH, IDMAP, AT_FDCWD, MOVE_EMPTY = 0x10000000, 1, 0x1000, 0x100000, -100, 4


def call(*arguments):
    result = libc.syscall(*arguments)
    if result < 0:
        sys.exit(os.strerror(ctypes.get_errno()))
    return result


ready, told = os.pipe()
child = os.fork()
if child == 0:
    libc.unshare(CLONE_NEWUSER)
    os.write(told, b".")
    os.read(0, 1)
    os._exit(0)
os.read(ready, 1)
with open(f"/proc/{child}/uid_map", "w") as map:
    map.write(f"{uid} 0 1\n")
with open(f"/proc/{child}/gid_map", "w") as map:
    map.write("0 0 1000\n")
users = os.open(f"/proc/{child}/ns/user", os.O_RDONLY)
tree = call(OPEN_TREE, AT_FDCWD, place, OPEN_TREE_CLONE)
attributes = struct.pack("QQQQ", IDMAP, 0, 0, users)
call(MOUNT_SETATTR, tree, b"", EMPTY_PATH, attributes, len(attributes))
call(MOVE_MOUNT, tree, b"", AT_FDCWD, place, MOVE_EMPTY)
os.kill(child, 9)
os.waitpid(child, 0)
