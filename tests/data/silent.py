"""A FUSE file system that answers until a certain request, and that one never: silent.py PLACE REQUEST

It holds `before`, `hung` and `later`, files of five bytes. REQUEST is `opendir` (of its root), `readdir`, or `read`
(of `hung` alone). It ends when its standard input does."""

import ctypes, errno, os, select, struct, sys

place, silent = sys.argv[1:]
device = os.open("/dev/fuse", os.O_RDWR)
options = b"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % device
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"silent", place.encode(), b"fuse.silent", 0, options) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))

FILES = [b"before", b"hung", b"later"]


def attributes(node):
    mode, size = (0o40755, 0) if node == 1 else (0o100644, 5)
    return struct.pack("<6Q3I7I", node, size, 1, 1, 1, 1, 0, 0, 0, mode, 1, 0, 0, 0, 512, 0)


def answer(opcode, node, body):
    if opcode == 26:  # INIT
        return struct.pack("<4I2H2I2H8I", 7, 31, 65536, 0, 12, 12, 65536, 1, 0, 0, *[0] * 8)
    if opcode == 3:  # GETATTR
        return struct.pack("<Q2I", 0, 0, 0) + attributes(node)
    if opcode == 1:  # LOOKUP
        name = body.rstrip(b"\0")
        if name not in FILES:
            return -errno.ENOENT
        node = 2 + FILES.index(name)
        return struct.pack("<4Q2I", node, 0, 0, 0, 0, 0) + attributes(node)
    if opcode in (14, 27):  # OPEN, OPENDIR
        return None if opcode == 27 and silent == "opendir" else struct.pack("<Q2I", 0, 0, 0)
    if opcode == 28:  # READDIR
        if silent == "readdir":
            return None
        at = struct.unpack_from("<Q", body, 8)[0]
        entries = b""
        for number, name in list(enumerate(FILES))[at:]:
            entry = struct.pack("<2Q2I", 2 + number, number + 1, len(name), 8) + name
            entries += entry + b"\0" * (-len(entry) % 8)
        return entries
    if opcode == 15:  # READ
        return None if silent == "read" and node == 3 else b"12345"
    if opcode in (18, 25, 29):  # RELEASE, FLUSH, RELEASEDIR
        return b""
    if opcode in (2, 36):  # FORGET, INTERRUPT: nobody waits for an answer
        return None
    return -errno.ENOSYS


while True:
    ready, _, _ = select.select([device, 0], [], [])
    if 0 in ready:
        break
    request = os.read(device, 1 << 20)
    _, opcode, unique, node = struct.unpack_from("<2I2Q", request)
    reply = answer(opcode, node, request[40:])
    if isinstance(reply, int):
        os.write(device, struct.pack("<IiQ", 16, reply, unique))
    elif reply is not None:
        os.write(device, struct.pack("<IiQ", 16 + len(reply), 0, unique) + reply)
