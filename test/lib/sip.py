"""A small SIP phone on a UDP socket: enough to be either side of a call, and to send what no real phone would."""
import fcntl
import hashlib
import os
import random
import re
import select
import socket
import tempfile
import time

PORTS = range(11000, 24000, 2)                # of servers and connections, see free_port
RTP_PORTS = range(24000, 32768)               # a phone takes any of these when a call begins; below the kernel's own range
COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type", "k": "supported", "s": "subject", "e": "content-encoding"}
SDP = "v=0\r\no=- 1 {v} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"


def token(n=10):
    return "".join(random.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(n))


def split_list(text):
    """Split a comma list, but not within quotes or angle brackets."""
    return [x.strip() for x in re.findall(r'(?:"(?:\\.|[^"\\])*"|<[^>]*>|[^,"<])+', text)]


class Message:
    def __init__(self, raw, source=None):
        self.raw, self.source, self.at = raw, source, time.monotonic()
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8", "surrogateescape")).split("\r\n")
        self.start = lines[0]
        self.headers = [(n.strip(), v.strip()) for n, _, v in (x.partition(":") for x in lines[1:])]
        words = self.start.split(" ", 2) + ["", ""]
        self.status = int(words[1]) if words[0] == "SIP/2.0" else None
        self.reason = words[2] if self.status else None
        self.method, self.uri = (None, None) if self.status else (words[0], words[1])

    def all(self, name):
        """All values of a header, comma lists taken apart."""
        name = name.lower()
        return [v for n, text in self.headers if COMPACT.get(n.lower(), n.lower()) == name for v in split_list(text)]

    def get(self, name):
        name = name.lower()
        return next((v for n, v in self.headers if COMPACT.get(n.lower(), n.lower()) == name), None)

    @property
    def branch(self):
        m = re.search(r"branch=([^;,\s]+)", self.get("Via") or "")
        return m and m.group(1)

    @property
    def cseq(self):
        return (self.get("CSeq") or "").split()

    def tag(self, name):
        m = re.search(r";\s*tag=([^;>\s]+)", self.get(name) or "")
        return m and m.group(1)

    def contact_uri(self):
        m = re.search(r"<([^>]+)>", self.get("Contact") or "")
        return m.group(1) if m else self.get("Contact")

    def __repr__(self):
        return f"{self.start} [{self.get('CSeq')}, {self.get('Call-ID')}]"


def is_(want):
    """What wait() accepts: a function, a method name, a status, or a class such as '2xx'."""
    if callable(want):
        return want
    if isinstance(want, int):
        return lambda m: m.status == want
    if re.fullmatch(r"\dxx", want):
        return lambda m: m.status and m.status // 100 == int(want[0])
    return lambda m: m.method == want


def challenge_of(m, algorithm=None):
    """The parameters of the first challenge that fits, as a dict."""
    for h in ("WWW-Authenticate", "Proxy-Authenticate"):
        for text in (v for n, v in m.headers if n.lower() == h.lower()):
            p = {k.lower(): a or b for k, a, b in re.findall(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))', text)}
            if algorithm is None or p.get("algorithm", "MD5").upper() == algorithm.upper():
                return p
    raise AssertionError(f"no challenge with algorithm {algorithm}: {m.raw!r}")


def digest(p, user, password, method, uri, nc=1, cnonce=None):
    """Credentials for challenge p, RFC 7616 / RFC 8760."""
    name = p.get("algorithm", "MD5")
    h = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[name.upper()]
    hx = lambda s: h(s.encode()).hexdigest()
    ha1, ha2 = hx(f"{user}:{p['realm']}:{password}"), hx(f"{method}:{uri}")
    out = f'Digest username="{user}", realm="{p["realm"]}", nonce="{p["nonce"]}", uri="{uri}", algorithm={name}'
    if "qop" in p:
        cnonce = cnonce or token(8)
        out += f', qop=auth, nc={nc:08x}, cnonce="{cnonce}", response="{hx(":".join([ha1, p["nonce"], f"{nc:08x}", cnonce, "auth", ha2]))}"'
    else:
        out += f', response="{hx(":".join([ha1, p["nonce"], ha2]))}"'
    return out + (f', opaque="{p["opaque"]}"' if "opaque" in p else "")


class Dialog:
    """One side of a dialog; RFC 3261 12."""

    def __init__(self, phone, call_id, local, remote, target, routes, cseq):
        self.phone, self.call_id, self.local, self.remote, self.target, self.routes, self.cseq = phone, call_id, local, remote, target, routes, cseq

    def start(self, method, headers=(), body=b"", cseq=None):
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        return self.phone.start(method, self.target, headers=[("Route", r) for r in self.routes] + list(headers), body=body, call_id=self.call_id,
                                cseq=cseq, from_=self.local, to=self.remote, password=None)

    def do(self, method, headers=(), body=b""):
        return self.phone.finish(self.start(method, headers, body))

    def ack(self, cseq=None):
        return self.start("ACK", cseq=cseq or self.cseq)


class Request:
    """A request under way: what is needed to send it again, to cancel it and to acknowledge a refusal."""

    def __init__(self, raw, method, uri, branch, call_id, cseq, from_, to, routes):
        self.raw, self.method, self.uri, self.branch, self.call_id, self.cseq, self.from_, self.to, self.routes = raw, method, uri, branch, call_id, cseq, from_, to, routes

    def mine(self, m):
        return bool(m.status and m.branch == self.branch and m.cseq[1:] == [self.method])


class Phone:
    """user@domain at an own UDP port, in front of `server`, an (address, port)."""
    transport, rport = "UDP", ";rport"

    def __init__(self, server, user="alice", domain="example.org", password=None, host=None, port=0, algorithm=None):
        self.v6 = ":" in server[0]
        host = host or ("::1" if self.v6 else "127.0.0.1")
        self.sock = socket.socket(socket.AF_INET6 if self.v6 else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, port))
        self.host, self.port = self.sock.getsockname()[:2]
        self.here = f"[{self.host}]:{self.port}" if self.v6 else f"{self.host}:{self.port}"
        self.server, self.user, self.domain, self.password, self.algorithm = server, user, domain, password, algorithm
        self.aor, self.contact = f"sip:{user}@{domain}", f"sip:{user}@{self.here}"
        self.inbox, self.seen, self.repeats = [], set(), 0
        self.call_id, self.cseq = token() + "@reg", 0       # of its registrations

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *x):
        self.close()

    # ---------------------------------------------------------------- receive
    def _receive(self, seconds):
        self.sock.settimeout(max(seconds, 0.001))
        try:
            raw, source = self.sock.recvfrom(65536)
        except (socket.timeout, ConnectionError):
            return False
        if raw in self.seen:                    # a retransmission is the same bytes again
            self.repeats += 1
        elif raw.strip(b"\r\n\0"):
            self.seen.add(raw)
            self.inbox.append(Message(raw, source))
        return True

    def find(self, want, seconds):
        """The first message that fits, taken out of the inbox, or None."""
        fits, end = is_(want), time.monotonic() + seconds
        while True:
            for m in self.inbox:
                if fits(m):
                    self.inbox.remove(m)
                    return m
            left = end - time.monotonic()
            if left <= 0:
                return None
            self._receive(left)

    def wait(self, want, seconds=8):
        m = self.find(want, seconds)
        assert m, f"{self.user}: waited {seconds} s for {want}; there is {self.inbox}"
        return m

    def nothing(self, want, seconds=0.5):
        m = self.find(want, seconds)
        assert m is None, f"{self.user}: unexpected {m}"

    # ------------------------------------------------------------------- send
    def send(self, raw, to=None):
        self.sock.sendto(raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogateescape"), to or self.server)

    def start(self, method, uri, headers=(), body=b"", call_id=None, cseq=1, from_=None, to=None, routes=(), password=None, branch=None, max_forwards=70):
        """Build and send one request; `password` is not used here, see do()."""
        branch, call_id = branch or "z9hG4bK" + token(12), call_id or token() + "@test"
        from_, to = from_ or f"<{self.aor}>;tag={token(6)}", to or f"<{uri}>"
        body = body.encode() if isinstance(body, str) else body
        lines = [f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/{self.transport} {self.here}{self.rport};branch={branch}", f"Max-Forwards: {max_forwards}", f"From: {from_}", f"To: {to}",
                 f"Call-ID: {call_id}", f"CSeq: {cseq} {method}"]
        lines += [f"Route: {r}" for r in routes]
        lines += [f"{n}: {v}" for n, v in headers]
        if method in ("INVITE", "SUBSCRIBE") and not any(n == "Contact" for n, _ in headers):
            lines.append(f"Contact: <{self.contact}>")
        lines.append(f"Content-Length: {len(body)}")
        raw = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape") + body
        self.send(raw)
        return Request(raw, method, uri, branch, call_id, cseq, from_, to, list(routes))

    def finish(self, rq, seconds=10):
        """Wait for the final answer, sending again after RFC 3261's timers A and E; acknowledge a refused INVITE."""
        end, gap, provisional = time.monotonic() + seconds, 0.5, False
        while time.monotonic() < end:
            m = self.find(rq.mine, min(gap, end - time.monotonic()))
            if m is None:
                if not (rq.method == "INVITE" and provisional):
                    self.send(rq.raw)
                gap = min(gap * 2, 4)
            elif m.status >= 200:
                if rq.method == "INVITE" and m.status >= 300:
                    self.ack_refusal(rq, m)
                return m
            else:
                provisional = True
        raise AssertionError(f"{self.user}: no final answer to {rq.method} in {seconds} s; there is {self.inbox}")

    def ack_refusal(self, rq, m):
        self.start("ACK", rq.uri, call_id=rq.call_id, cseq=rq.cseq, from_=rq.from_, to=m.get("To"), branch=rq.branch, routes=rq.routes)

    def authorize(self, m, method, uri, nc=1):
        """The header that answers challenge m."""
        p = challenge_of(m, self.algorithm)
        return ("Authorization" if m.status == 401 else "Proxy-Authorization"), digest(p, self.user, self.password, method, uri, nc)

    def begin(self, method, uri, headers=(), body=b"", **kw):
        """Send a request and, when it is challenged and there is a password, send it again. (Request, first answer that is no challenge and no 100)."""
        kw.setdefault("call_id", token() + "@test")
        kw.setdefault("cseq", 1)
        kw.setdefault("from_", f"<{self.aor}>;tag={token(6)}")
        rq = self.start(method, uri, headers, body, **kw)
        if self.password is None:
            return rq
        m = self.finish(rq)
        assert m.status in (401, 407), f"expected a challenge, got {m}"
        kw["cseq"] += 1
        return self.start(method, uri, list(headers) + [self.authorize(m, method, uri)], body, **kw)

    def do(self, method, uri, headers=(), body=b"", seconds=10, **kw):
        return self.finish(self.begin(method, uri, headers, body, **kw), seconds)

    # ---------------------------------------------------------------- phrases
    def register(self, expires=600, contact=None, headers=(), **kw):
        contact = f"<{self.contact}>;expires={expires}" if contact is None else contact
        self.cseq += 1
        kw.setdefault("call_id", self.call_id)
        kw.setdefault("cseq", self.cseq)
        kw.setdefault("to", f"<{self.aor}>")
        m = self.do("REGISTER", f"sip:{self.domain}", ([("Contact", contact)] if contact else []) + list(headers), **kw)
        self.cseq += 1
        return m

    def registered(self, **kw):
        m = self.register(**kw)
        assert m.status == 200, f"{self.user}: REGISTER got {m.start}"
        return m

    def sdp(self, version=1, port=40000):
        return SDP.format(v=version, host=self.host, port=port).replace("IP4", "IP6" if self.v6 else "IP4")

    def invite(self, uri, body=None, **kw):
        return self.begin("INVITE", uri, kw.pop("headers", []) + [("Content-Type", "application/sdp")], self.sdp() if body is None else body, **kw)

    def cancel(self, rq):
        return self.start("CANCEL", rq.uri, call_id=rq.call_id, cseq=rq.cseq, from_=rq.from_, to=rq.to, branch=rq.branch, routes=rq.routes)

    def answer(self, m, status, reason="Because", body=b"", headers=(), tag=None):
        """Answer a request that was received; the To tag stays the same for one Call-ID."""
        body = body.encode() if isinstance(body, str) else body
        to = m.get("To")
        if status > 100 and ";tag=" not in to:
            to += ";tag=" + (tag or hashlib.md5((m.get("Call-ID") + self.here).encode()).hexdigest()[:8])
        lines = [f"SIP/2.0 {status} {reason}"] + [f"Via: {v}" for v in m.all("Via")] + [f"Record-Route: {v}" for v in m.all("Record-Route")]
        lines += [f"From: {m.get('From')}", f"To: {to}", f"Call-ID: {m.get('Call-ID')}", f"CSeq: {m.get('CSeq')}"]
        if m.method == "INVITE" and status < 300:
            lines.append(f"Contact: <{self.contact}>")
        lines += [f"{n}: {v}" for n, v in headers]
        lines += ["Content-Type: application/sdp"] * bool(body) + [f"Content-Length: {len(body)}"]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape") + body, m.source)

    def caller_dialog(self, rq, ok):
        return Dialog(self, rq.call_id, rq.from_, ok.get("To"), ok.contact_uri(), list(reversed(ok.all("Record-Route"))), rq.cseq)

    def callee_dialog(self, invite):
        to = invite.get("To") + ";tag=" + hashlib.md5((invite.get("Call-ID") + self.here).encode()).hexdigest()[:8]
        return Dialog(self, invite.get("Call-ID"), to, invite.get("From"), invite.contact_uri(), invite.all("Record-Route"), 100)


class TcpPhone(Phone):
    """The same over TCP: a connection to the server, and a socket that listens at the port of its Via and Contact."""
    transport, rport = "TCP", ""

    def __init__(self, server, *a, port=0, **kw):
        super().__init__(server, *a, port=port or free_port(kw.get("host") or server[0]), **kw)
        self.sock.close()
        family = socket.AF_INET6 if self.v6 else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((self.host, self.port))
        self.sock.listen(5)
        self.contact += ";transport=tcp"
        self.streams, self.pongs = {}, 0
        self.connect()

    def connect(self):
        self.conn = socket.create_connection(self.server, timeout=5)
        self.streams[self.conn] = b""

    def drop(self):
        """Lose the connection to the server."""
        self.streams.pop(self.conn)
        self.conn.close()

    def close(self):
        for s in self.streams:
            s.close()
        super().close()

    def _receive(self, seconds):
        ready = select.select([self.sock, *self.streams], [], [], max(seconds, 0.001))[0]
        for s in ready:
            if s is self.sock:
                self.streams[s.accept()[0]] = b""
                continue
            data = s.recv(65536)
            if not data:
                self.streams.pop(s).strip()
                s.close()
                continue
            self.streams[s] = self._cut(s, self.streams[s] + data)
        return bool(ready)

    def _cut(self, s, data):
        """Messages go to the inbox; the rest is returned."""
        while data:
            if data.startswith(b"\r\n"):
                data, self.pongs = data[2:], self.pongs + 1
                continue
            head, end, rest = data.partition(b"\r\n\r\n")
            n = int(re.search(rb"(?im)^content-length: *(\d+)", head).group(1)) if end else 0
            if not end or len(rest) < n:
                return data
            self.inbox.append(Message(head + end + rest[:n], s))
            data = rest[n:]
        return data

    def send(self, raw, to=None):
        """`to`: the connection that a request came by."""
        (to if to in self.streams else self.conn).sendall(raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogateescape"))

    def closed(self, seconds=3):
        """Does the server close our connection?"""
        end = time.monotonic() + seconds
        while self.conn in self.streams and time.monotonic() < end:
            self._receive(0.1)
        return self.conn not in self.streams


def free_port(host="127.0.0.1"):
    """A port nobody has now, for UDP and TCP, out of the range that the kernel gives to other sockets by itself. All test
    programs draw in turn from one file, so that two of them never get the same one before the first has opened it."""
    fd = os.open(os.path.join(tempfile.gettempdir(), f"sipario-ports.{os.getuid()}"), os.O_RDWR | os.O_CREAT, 0o600)
    with open(fd, "r+") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        last = int(turn.read() or random.randrange(PORTS.start, PORTS.stop))
        for n in range(len(PORTS)):
            port = PORTS[((last - PORTS.start) // PORTS.step + 1 + n) % len(PORTS)]
            if not bindable(host, port):
                continue
            turn.seek(0)
            turn.truncate()
            turn.write(str(port))
            return port
    raise RuntimeError("no free port")


def bindable(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s, socket.socket(family, socket.SOCK_STREAM) as t:
        try:
            s.bind((host, port))
            t.bind((host, port))
        except OSError:
            return False
    return True
