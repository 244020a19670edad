#!/usr/bin/env python3
"""Builds a deterministic tree like an image's: benches/tree.py DIR [FILES [BYTES]]

By default 26,000 files of 950 MB in all: median 2 KB, nine in ten below 24 KB, 99 in 100 below 300 KB,
in directories of 10 to 400 entries, with a symbolic link for each eight files. Every byte follows from
the numbers, so two machines build the same tree."""
import os
import random
import sys

QUANTILES = [(0.0, 60), (0.5, 2_000), (0.9, 24_000), (0.99, 300_000), (0.999, 4_000_000), (1.0, 30_000_000)]


def size(u):
    """The size at quantile u, interpolated on a logarithmic scale."""
    for (a, low), (b, high) in zip(QUANTILES, QUANTILES[1:]):
        if u <= b:
            return int(low * (high / low) ** ((u - a) / (b - a)))
    return QUANTILES[-1][1]


def main():
    if {"-h", "--help"} & set(sys.argv[1:]):
        return print(__doc__.strip())
    root = sys.argv[1]
    files = int(sys.argv[2]) if len(sys.argv) > 2 else 26_000
    total = int(sys.argv[3]) if len(sys.argv) > 3 else 950_000_000
    rng = random.Random(26_000)
    sizes = [size((i + 0.5) / files) for i in range(files)]
    # What the quantiles leave over goes to the largest hundredth, whose shape they say least about.
    top = files // 100 or 1
    scale = max(0.1, (total - sum(sizes[:-top])) / sum(sizes[-top:]))
    sizes[-top:] = [int(n * scale) for n in sizes[-top:]]
    rng.shuffle(sizes)
    made = 0
    while made < files:
        directory = os.path.join(root, f"d{rng.randrange(40):02}", f"s{made:07}")
        os.makedirs(directory, exist_ok=True)
        for i in range(min(rng.randrange(10, 400), files - made)):
            path = os.path.join(directory, f"f{i:04}-{rng.randrange(1 << 32):08x}")
            left = sizes[made]
            with open(path, "wb", buffering=0) as out:
                while left > 0:
                    out.write(rng.randbytes(min(left, 1 << 20)))
                    left -= 1 << 20
            if made % 8 == 0:
                os.symlink(os.path.basename(path), path + ".link")
            made += 1


main()
