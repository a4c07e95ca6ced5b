"""A name server for tests: A, AAAA, SRV and NAPTR records from a dict, on UDP at 127.0.0.1."""
import ipaddress
import socket
import struct
import threading

TYPES = {"A": 1, "SOA": 6, "AAAA": 28, "SRV": 33, "NAPTR": 35}


def name(text):
    return b"".join(bytes([len(x)]) + x.encode() for x in text.strip(".").split(".") if x) + b"\0"


def text(s):
    return bytes([len(s)]) + s.encode()


def data(kind, value):
    """Of a value as it stands in a zone file."""
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    w = value.split()
    if kind == "SRV":                                   # priority weight port target
        return struct.pack("!HHH", *map(int, w[:3])) + name(w[3])
    return struct.pack("!HH", *map(int, w[:2])) + text(w[2]) + text(w[3]) + text("") + name(w[4])      # order preference flags service replacement


class Dns:
    """zone: {("name", "TYPE"): [value, ...]}; may be changed at any time. `asked` are the questions, in order. silent: swallow them."""

    def __init__(self, zone=None, ttl=60, silent=False):
        self.zone, self.ttl, self.silent, self.asked, self.open = zone or {}, ttl, silent, [], True
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.settimeout(0.2)
        self.port = self.sock.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def setting(self):
        return f'dns_servers "127.0.0.1:{self.port}";\n'

    def _serve(self):
        while self.open:
            try:
                q, peer = self.sock.recvfrom(4096)
            except (socket.timeout, OSError):
                continue
            a = self._answer(q)
            if a:
                self.sock.sendto(a, peer)

    def _answer(self, q):
        at, labels = 12, []
        while q[at]:
            labels.append(q[at + 1:at + 1 + q[at]].decode())
            at += q[at] + 1
        host, number = ".".join(labels).lower(), struct.unpack("!H", q[at + 1:at + 3])[0]
        kind = next((k for k, n in TYPES.items() if n == number), str(number))
        self.asked.append((host, kind))
        if self.silent:
            return None
        values = self.zone.get((host, kind), [])
        exists = any(n == host for n, _ in self.zone)
        out = q[:2] + struct.pack("!HHHHH", 0x8180 | (0 if exists else 3), 1, len(values), 0, 0) + q[12:at + 5]
        for v in values:
            d = data(kind, v)
            out += b"\xc0\x0c" + struct.pack("!HHIH", number, 1, self.ttl, len(d)) + d
        return out

    def close(self):
        self.open = False
        self.thread.join()
        self.sock.close()
