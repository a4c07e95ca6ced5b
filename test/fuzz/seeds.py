#!/usr/bin/env python3
"""Seeds of one fuzz target from the shared corpus: seeds.py TARGET CORPUS OUT. Messages as they are; for the parsers of
single values, what stands in those fields of all messages; for lengths, what says how long a body is, and it. For the machine: bytes to
make programs of."""
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


def lengths(data):
    """The fields that speak of the body, and the body; a length or two, and bodies within it."""
    head, _, body = data.replace(b"\r\n", b"\n").partition(b"\n\n")
    fields = [f for f in head.split(b"\n") if re.match(rb"(?i)(content-|mime|[cl][ \t]*:)", f)]
    sdp = b"\r\n".join(body.split(b"\n"))
    parts = (b"--b\r\n\r\nhello\r\n--b\r\nContent-Type: application/sdp\r\nContent-Length: 7\r\n\r\n" + sdp + b"\r\n--b\r\n"
             b"Content-Type: multipart/alternative;boundary=\"b b\"\r\n\r\n--b b\r\nc: application/sdp\r\n\r\n" + sdp + b"\r\n--b b--\r\n--b--")
    mixed = b"Content-Type: multipart/mixed;boundary=b\r\nContent-Length: %d\r\n\r\n%s" % (len(parts), parts)
    return [b"\r\n".join(fields + [b"", sdp]), mixed, mixed + mixed] if sdp else []


def dice(count=64):
    r = random.Random(1)
    return [b"\x80" + r.randbytes(20 << i % 6) for i in range(count)]


def main():
    target, corpus, out = sys.argv[1:]
    for data in dice() if target == "machine" else messages(corpus):
        if target in FIELDS:
            pieces = [p.strip() for p in re.findall(FIELDS[target], data)]
        elif target == "sdp":
            pieces = lengths(data)
        elif target == "frame":
            pieces = [b"\x07" + data]
        else:
            pieces = [data]
        for p in pieces:
            with open(os.path.join(out, hashlib.sha1(p).hexdigest()[:16]), "wb") as f:
                f.write(p)


main()
