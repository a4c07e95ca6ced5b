#!/usr/bin/env python3
"""Seeds of one fuzz target from the shared corpus: seeds.py TARGET CORPUS OUT. Messages as they are; for the parsers of
single values, what stands in those fields of all messages. For the machine: bytes to make programs of."""
import hashlib
import os
import random
import re
import sys

FIELDS = {
    "via": rb"(?im)^(?:via|v)[ \t]*:((?:.*\n[ \t])*.*)",
    "contact": rb"(?im)^(?:contact|m|from|f|to|t|route|record-route)[ \t]*:((?:.*\n[ \t])*.*)",
    "digest": rb"(?im)^(?:(?:proxy-)?auth(?:orization|enticate)|www-authenticate)[ \t]*:((?:.*\n[ \t])*.*)",
    "uri": rb"(?i)((?:sips?|tel):[^\s<>\"]+)",
}


def messages(corpus):
    for folder, _, names in os.walk(corpus):
        for name in sorted(names):
            if name.endswith((".dat", ".sip", ".txt", ".header", ".uri")) or "." not in name:
                with open(os.path.join(folder, name), "rb") as f:
                    yield f.read()


def dice(count=64):
    r = random.Random(1)
    return [b"\x80" + r.randbytes(20 << i % 6) for i in range(count)]


def main():
    target, corpus, out = sys.argv[1:]
    for data in dice() if target == "machine" else messages(corpus):
        if target in FIELDS:
            pieces = [p.strip() for p in re.findall(FIELDS[target], data)]
        elif target == "frame":
            pieces = [b"\x07" + data]
        else:
            pieces = [data]
        for p in pieces:
            with open(os.path.join(out, hashlib.sha1(p).hexdigest()[:16]), "wb") as f:
                f.write(p)


main()
