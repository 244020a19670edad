"""A FUSE file system that answers until a certain request, and then no more: silent.py PLACE LAST [takes]

It holds `before`, `hung` and `later`, files of five bytes. LAST is the request that is answered last: `init`,
`opendir` or `readdir` (of its root), `open` or `read` (of `hung`), or `none`. With `takes` it goes on to take requests, and keeps the
answers. With `lies` in the place of LAST it answers all, and every program but `agent` reads something else. It ends when its
standard input does."""

import ctypes, errno, os, select, struct, sys

place, last, *takes = sys.argv[1:]
device = os.open("/dev/fuse", os.O_RDWR)
options = b"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % device
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"silent", place.encode(), b"fuse.silent", 0, options) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))

FILES = [b"before", b"hung", b"later"]


def attributes(node):
    mode, size = (0o40755, 0) if node == 1 else (0o100644, 5)
    return struct.pack("<6Q3I7I", node, size, 1, 1, 1, 1, 0, 0, 0, mode, 1, 0, 0, 0, 512, 0)


def is_deceived(thread):
    return last == "lies" and os.path.basename(os.readlink(f"/proc/{thread}/exe")) != "agent"


def answer(opcode, node, thread, body):
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
        return struct.pack("<Q2I", 0, 0, 0)
    if opcode == 28:  # READDIR
        at = struct.unpack_from("<Q", body, 8)[0]
        entries = b""
        for number, name in list(enumerate(FILES))[at:]:
            entry = struct.pack("<2Q2I", 2 + number, number + 1, len(name), 8) + name
            entries += entry + b"\0" * (-len(entry) % 8)
        return entries
    if opcode == 15:  # READ
        return b"evil!" if is_deceived(thread) else b"12345"
    if opcode in (18, 25, 29):  # RELEASE, FLUSH, RELEASEDIR
        return b""
    if opcode in (2, 36):  # FORGET, INTERRUPT: nobody waits for an answer
        return None
    return -errno.ENOSYS


def is_last(opcode, node):
    requests = {"init": (26, 0), "opendir": (27, 1), "readdir": (28, 1), "open": (14, 3), "read": (15, 3)}
    return (opcode, node) == requests.get(last)


answers = True
while True:
    ready, _, _ = select.select([device, 0] if answers or takes else [0], [], [])
    if 0 in ready:
        break
    request = os.read(device, 1 << 20)
    _, opcode, unique, node, _, _, thread = struct.unpack_from("<2I2Q3I", request)
    if not answers:
        continue
    reply = answer(opcode, node, thread, request[40:])
    if isinstance(reply, int):
        os.write(device, struct.pack("<IiQ", 16, reply, unique))
    elif reply is not None:
        os.write(device, struct.pack("<IiQ", 16 + len(reply), 0, unique) + reply)
    answers = not is_last(opcode, node)
