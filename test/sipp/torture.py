"""The torture messages of RFC 4475 and RFC 5118, sent to a running server; and every fuzz seed, which it only has to survive.

The messages carry no rport and name port 5060 mostly, so they are sent from port 5060 of 127.0.0.2 (the answer goes to the sent-by port
there). Next hops resolve, by a name server of our own, to a sink at 127.0.0.3:5060.
"""
import json
import os
import random
import re
import socket
import struct
import threading
import time

import sip
from sipario import SHARED, Server
from suite import Skip, test

DEATH = re.compile(r".* (?:died|ended) pid=.*")
CLIENT, SINK = "127.0.0.2", "127.0.0.3"
SCRIPT = """
listen @LISTEN@;
control "@CONTROL@";
dns_servers "127.0.0.1:%d";
domain "example.com";
domain "example.net";
domain "company.com";
domain "registrar.example.com";
module location  { durable = off; }
module registrar { }
request_route {
    if ($rm == "REGISTER" && is_local($rd)) { save(); exit; }
    if (is_local($rd) && !lookup()) send_reply(480);
    relay();
}
"""


class Dns:
    """Answers every question for an A record with the sink's address."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port, self.open = self.sock.getsockname()[1], True
        self.sock.settimeout(0.2)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while self.open:
            try:
                q, who = self.sock.recvfrom(4096)
            except OSError:
                continue
            end = q.index(b"\0", 12) + 5
            kind = struct.unpack(">H", q[end - 4:end - 2])[0]
            rr = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(SINK) if kind == 1 else b""
            self.sock.sendto(q[:2] + b"\x81\x80\0\1" + struct.pack(">H", bool(rr)) + b"\0\0\0\0" + q[12:end] + rr, who)

    def close(self):
        self.open = False
        self.thread.join()
        self.sock.close()


class Ears:
    """Sockets that collect what arrives: the client's and the sink's, more of the client's as messages name other ports."""

    def __init__(self):
        self.socks, self.client, self.sink, self.sinks = {}, [], [], set()
        self.listen(CLIENT, 5060)
        self.listen(SINK, 5060, sink=True)

    def listen(self, host, port, sink=False):
        if (host, port) not in self.socks:
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                s.bind((host, port))
            except OSError as e:
                s.close()
                raise Skip(f"{host}:{port} cannot be had: {e}")
            s.setblocking(False)
            self.socks[(host, port)] = s
            self.sinks |= {s} if sink else set()
        return self.socks[(host, port)]

    def gather(self):
        for s in self.socks.values():
            while True:
                try:
                    raw = s.recv(65536)
                except OSError:
                    break
                (self.sink if s in self.sinks else self.client).append(raw)

    def close(self):
        for s in self.socks.values():
            s.close()


def sent_by_port(raw):
    """The port that the answer goes to (RFC 3261 18.2.2): sent-by of the first Via."""
    m = re.search(rb"(?im)^(?:via|v)[ \t]*:\s*SIP\s*/\s*[\d.]+\s*/\s*(\w+)\s+(?:\[[^\]]*\]|[^\s:;,]+)(?:\s*:\s*(\d+))?", raw)
    return (m.group(1).upper().decode(), int(m.group(2) or 5060)) if m else ("UDP", 5060)


def allowed(entry, raw):
    """The set of what may happen: status codes, 'forward', 'drop'. A message for a role the server plays may be treated as that role does."""
    words = set()
    roles = [entry["proxy"]] + ([entry["registrar"]] if raw.startswith(b"REGISTER") else [])
    for text in roles:
        for w in re.split(r"\s+or\s+|[\s,]+", text if isinstance(text, str) else " or ".join(map(str, text))):
            if w and w != "-":
                words.add(int(w) if str(w).isdigit() else w)
    if words & {"forward", "process"}:
        words |= {404, 480, "forward"}
        if re.match(rb"\S+ sip:[^ ]*(?:\[|\d+\.\d+\.\d+\.\d+)", raw):       # an address where nobody is, or that has no route from loopback
            words |= {408, 500, 503, "drop"}
        if raw.startswith(b"OPTIONS"):
            words.add(200)
        if re.search(rb"(?im)^(?:to|t)[ \t]*:(?:[^\r]|\r\n[ \t])*;\s*tag\s*=", raw):   # within a dialog that did not come through here: never an open relay
            words.add(481)
    return words


def happened(ears, n_client, n_sink, method, call_id):
    """What was seen since: a final status, 'forward', or 'drop'."""
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        ears.gather()
        for raw in ears.client[n_client:]:
            m = re.match(rb"SIP/2.0 ([2-6]\d\d)", raw)
            if m and (not call_id or call_id in raw):
                return int(m.group(1))
        if any(raw.startswith(method) for raw in ears.sink[n_sink:]):
            return "forward"
        time.sleep(0.01)
    return "drop"


def entries(folder):
    path = os.path.join(SHARED, "corpus", folder, "index.json")
    if not os.path.isfile(path):
        raise Skip(f"no corpus in {SHARED}")
    with open(path) as f:
        index = json.load(f)
    return index if isinstance(index, list) else index.get("messages") or index.get("entries") or [dict(v, file=k) for k, v in index.items()]


def torture(b, folder):
    index = entries(folder)
    ears = b.keep(Ears())
    dns = b.keep(Dns())
    s = Server(b, script=SCRIPT % dns.port, database=False)
    wrong, seen = [], set()
    for e in index:
        name = e.get("file") or e["name"]
        with open(os.path.join(SHARED, "corpus", folder, name), "rb") as f:
            raw = f.read()
        branch = re.search(rb"(?i)branch=([^;,\s]+)", raw)
        if branch and branch.group(1) in seen:      # several messages share one: to the same server they would be retransmissions
            s.close()
            s = Server(b, script=SCRIPT % dns.port, database=False)
            seen.clear()
        seen |= {branch.group(1)} if branch else set()
        transport, port = sent_by_port(raw)
        ears.listen(CLIENT, port)
        for host, there in re.findall(rb"(?im)^Route:.*<sip:(127[.\d]+):(\d+)>", raw):
            ears.listen(host.decode(), int(there), sink=True)
        ears.gather()
        m = re.search(rb"(?im)^(?:call-id|i)[ \t]*:\s*(\S+)", raw)
        n = len(ears.client), len(ears.sink)
        ears.socks[(CLIENT, 5060)].sendto(raw, s.address)
        got, may = happened(ears, *n, raw.split(b" ")[0], m and m.group(1)), allowed(e, raw)
        if transport != "UDP":
            may.add("drop")             # it came over another transport than its Via says: silence is no mistake
        if "insuf" in name:
            may.add("drop")             # silence is tolerable, says the index
        if got not in may:
            wrong.append(f"{name}: {got}, allowed {sorted(map(str, may))}")
        assert s.proc.poll() is None, f"the server is gone after {name}"
    probe = b.keep(sip.Phone(s.address, "probe", "probe.invalid"))
    assert probe.finish(probe.start("OPTIONS", f"sip:{s.here}")).status == 200
    assert not wrong, "\n".join(wrong)


@test("torture messages of RFC 4475", alone=True)
def _(b):
    torture(b, "rfc4475")


@test("torture messages of RFC 5118 (IPv6)", alone=True)
def _(b):
    torture(b, "rfc5118")


@test("every fuzz seed is survived")
def _(b):
    top = os.path.join(SHARED, "corpus")
    files = sorted(os.path.join(d, f) for d, _, fs in os.walk(top) for f in fs if not f.endswith((".md", ".json", ".tsv", ".dict")))
    if not files:
        raise Skip(f"no corpus in {SHARED}")
    s = Server(b, script=(SCRIPT % 9).replace('dns_servers "127.0.0.1:9";', 'dns_servers "127.0.0.1:9";\ndns_timeout 100ms;'), database=False)
    probe = b.keep(sip.Phone(s.address, "probe", "probe.invalid"))
    for i, path in enumerate(files):
        with open(path, "rb") as f:
            raw = f.read(60000)
        if raw:
            probe.send(raw)
        if i % 20 == 0:
            assert probe.finish(probe.start("OPTIONS", f"sip:{s.here}")).status == 200, f"no answer after {path}"
    assert probe.finish(probe.start("OPTIONS", f"sip:{s.here}")).status == 200
    assert not DEATH.search(s.text()), DEATH.search(s.text()).group(0)


VALUES = (b"", b"*", b"<>", b"0", b"4294967296", b"-1", b"sip:", b"<sip:@>", b"sip:a@[::1]:99999", b"<sip:127.0.0.1:9;lr>", b"SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK", b"\"", b",,,", b";;;", b"%00",
          b"Digest", b"Digest username=\"\", nonce=\"\", response=\"\"", b"z9hG4bK" * 300, b"\xff" * 40, b"a" * 3000)
NAMES = (b"Via", b"From", b"To", b"Contact", b"Route", b"Record-Route", b"CSeq", b"Call-ID", b"Max-Forwards", b"Expires", b"Content-Length", b"Authorization", b"Proxy-Authorization", b"Require",
         b"Proxy-Require", b"Path", b"Content-Type", b"Supported", b"v", b"f", b"t", b"m", b"i", b"l")


def mutate(raw, dice):
    """One to four changes of the kinds that break parsers: bytes, lines, values, lengths."""
    for _ in range(dice.randint(1, 4)):
        kind, lines = dice.randrange(6), raw.split(b"\r\n")
        i = dice.randrange(len(lines))
        if kind == 0 and raw:
            at = dice.randrange(len(raw))
            raw = raw[:at] + bytes([dice.randrange(256)]) + raw[at + dice.randrange(2):]
        elif kind == 1:
            raw = b"\r\n".join(lines[:i] + [lines[dice.randrange(len(lines))]] + lines[i:])
        elif kind == 2:
            raw = b"\r\n".join(lines[:i] + lines[i + 1:])
        elif kind == 3:
            raw = b"\r\n".join(lines[:max(i, 1)] + [dice.choice(NAMES) + b": " + dice.choice(VALUES)] + lines[max(i, 1):])
        elif kind == 4:
            lines[i] = lines[i].partition(b":")[0] + b": " + dice.choice(VALUES)
            raw = b"\r\n".join(lines)
        else:
            raw = raw[:dice.randrange(len(raw) + 1)]
    return raw[:60000]


def mutated_run(b, messages, seed):
    """Registered users, calls under way, and `messages` spoilt versions of what belongs to them."""
    dice = random.Random(seed)
    s = Server(b)
    alice, bob = (b.keep(sip.Phone(s.address, u, "example.org", "pw-" + u)) for u in ("alice", "bob"))
    for i in range(messages // 200):
        bob.registered()
        rq = alice.invite("sip:bob@example.org")
        invite = bob.wait("INVITE", 20)
        bob.answer(invite, 180)
        alice.wait(180, 20)
        good = [rq.raw, invite.raw, rq.raw.replace(b"INVITE", b"CANCEL"), rq.raw.replace(b"INVITE", b"ACK"), rq.raw.replace(b"INVITE", b"MESSAGE"), rq.raw.replace(b"INVITE", b"REGISTER"),
                invite.raw.replace(b"INVITE", b"BYE").replace(b"To: <sip:bob@example.org>", b"To: <sip:bob@example.org>;tag=x")]
        answer = invite.raw.partition(b"\r\n")[2]
        good += [b"SIP/2.0 %d X\r\n" % code + answer for code in (183, 200, 302, 487, 699)]
        for _ in range(200):
            alice.send(mutate(dice.choice(good), dice))
        for p in (alice, bob):
            while p.find(lambda m: True, 0.02):         # what they were told is of no interest
                pass
            p.seen.clear()
        assert alice.finish(alice.start("OPTIONS", f"sip:{s.here}"), 20).status == 200
    assert not DEATH.search(s.text()), DEATH.search(s.text()).group(0)


@test("spoilt messages of calls under way are survived")
def _(b):
    mutated_run(b, 2000, 3261)
