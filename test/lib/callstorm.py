"""A storm of calls out of one thread, both sides of them, and the books of what must be in their records.

A call is answered and ended by a BYE, refused by the callee, or refused by the script. What its record must say is certain when nothing was killed around what happened, or shared
memory was taken along a moment later (modules/cdr/README.md, "What is promised").
"""
import random
import re
import select
import socket
import time

import sip

AGAIN_S, GIVE_UP_S, RINGS_S = 0.5, 3.0, 0.2
SAFE_AFTER_S = 0.8      # sync_interval and a write to the disk, on a busy machine


class Call:
    def __init__(self, n, kind):
        self.call_id, self.kind, self.tag = f"{sip.token()}.{n}@calls", kind, sip.token(6)
        self.code = self.final_at = self.ended_at = None
        self.waits, self.raw, self.at, self.sent_at, self.bye_at, self.ok = "INVITE", b"", 0, 0, None, None


class CallStorm:
    def __init__(self, address, domain, seed, callee, window=30):
        self.address, self.domain, self.window, self.random = address, domain, window, random.Random(seed)
        self.ua = self.socket(0)
        self.uas = self.socket(callee)
        self.calls, self.open, self.kills, self.answers = {}, {}, [], {}

    @staticmethod
    def socket(port):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("127.0.0.1", port))
        s.setblocking(False)
        return s

    def close(self):
        self.ua.close()
        self.uas.close()

    # ------------------------------------------------------------------ caller
    def send(self, c, method, uri, cseq, to, routes=(), branch=None, keep=True):
        host, port = self.ua.getsockname()
        lines = [f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/UDP {host}:{port};rport;branch={branch or 'z9hG4bK' + sip.token(12)}", "Max-Forwards: 70",
                 f"From: <sip:caller@{self.domain}>;tag={c.tag}", f"To: {to}", f"Call-ID: {c.call_id}", f"CSeq: {cseq} {method}", f"Contact: <sip:caller@{host}:{port}>"]
        raw = ("\r\n".join(lines + [f"Route: {r}" for r in routes]) + "\r\nContent-Length: 0\r\n\r\n").encode()
        if keep:
            c.raw, c.at, c.sent_at = raw, time.monotonic(), time.monotonic()
        self.ua.sendto(raw, self.address)

    def ask(self):
        kind = self.random.choices(("talk", "busy", "nobody"), (6, 2, 2))[0]
        c = Call(len(self.calls), kind)
        self.calls[c.call_id] = self.open[c.call_id] = c
        self.send(c, "INVITE", f"sip:{kind}@{self.domain}", 1, f"<sip:{kind}@{self.domain}>")

    def final(self, c, m):
        c.code, c.final_at, c.waits = m.status, time.monotonic(), None
        self.answers[m.status] = self.answers.get(m.status, 0) + 1
        if m.status < 300:
            c.ok, c.bye_at = m, time.monotonic() + self.random.uniform(0, 0.3)
        else:
            self.open.pop(c.call_id)

    def acknowledge(self, c, m):
        if m.status < 300:
            self.send(c, "ACK", m.contact_uri(), 1, m.get("To"), list(reversed(m.all("Record-Route"))), keep=False)
        else:
            self.send(c, "ACK", f"sip:{c.kind}@{self.domain}", 1, m.get("To"), branch=m.branch, keep=False)

    def hang_up(self, c):
        c.bye_at, c.waits = None, "BYE"
        self.send(c, "BYE", c.ok.contact_uri(), 2, c.ok.get("To"), list(reversed(c.ok.all("Record-Route"))))

    def answered(self, m):
        c = self.calls.get(m.get("Call-ID"))
        if c is None or m.status < 200:
            return
        if m.cseq[1] == "INVITE":
            if c.waits == "INVITE":
                self.final(c, m)
            self.acknowledge(c, m)
        elif m.cseq[1] == "BYE" and c.waits == "BYE":
            c.waits = None
            c.ended_at = time.monotonic() if m.status == 200 else None
            self.open.pop(c.call_id, None)

    def tend(self):
        """Send again, hang up, give up."""
        now = time.monotonic()
        for c in list(self.open.values()):
            if c.bye_at and now > c.bye_at:
                self.hang_up(c)
            elif c.waits and now > c.at + GIVE_UP_S:
                c.waits = None
                self.open.pop(c.call_id)
            elif c.waits and now > c.sent_at + AGAIN_S:
                c.sent_at = now
                self.ua.sendto(c.raw, self.address)

    # ------------------------------------------------------------------ callee
    def serve(self, m, source):
        if m.method not in ("INVITE", "BYE"):
            return
        host, port = self.uas.getsockname()
        code = 486 if m.method == "INVITE" and "busy@" in m.uri else 200
        to = m.get("To") + ("" if ";tag=" in m.get("To") else ";tag=" + m.get("Call-ID")[:8])
        lines = [f"SIP/2.0 {code} So"] + [f"Via: {v}" for v in m.all("Via")] + [f"Record-Route: {v}" for v in m.all("Record-Route")]
        lines += [f"From: {m.get('From')}", f"To: {to}", f"Call-ID: {m.get('Call-ID')}", f"CSeq: {m.get('CSeq')}", f"Contact: <sip:talk@{host}:{port}>", "Content-Length: 0"]
        self.uas.sendto(("\r\n".join(lines) + "\r\n\r\n").encode(), source)

    # ---------------------------------------------------------------- the pump
    def receive(self, seconds):
        for s in select.select((self.ua, self.uas), (), (), seconds)[0]:
            for _ in range(32):
                try:
                    raw, source = s.recvfrom(65536)
                except OSError:
                    break
                m = sip.Message(raw, source)
                self.answered(m) if m.status else self.serve(m, source)

    def pump(self, until, asks=True):
        done = until if callable(until) else lambda: time.monotonic() >= until
        while not done():
            now = time.monotonic()
            for _ in range(min(4, self.window - sum(c.at > now - 1 for c in self.open.values())) if asks else 0):
                self.ask()
            self.receive(0.002)
            self.tend()

    def settle(self, seconds):
        end = time.monotonic() + seconds
        self.pump(lambda: not self.open or time.monotonic() > end, asks=False)
        self.open.clear()

    def begin_anew(self):
        """Nothing to forget: calls of rounds before must stay on record, once."""

    # --------------------------------------------------------------- the books
    def killed(self, since, memory_too):
        """Something has died. What happens at that moment need not be on record, nor what happened since then and shortly before where it took shared memory along."""
        self.kills.append((since - (SAFE_AFTER_S if memory_too else 0.05), time.monotonic() + 0.1))

    def is_safe(self, at):
        return at is not None and not any(a <= at <= b for a, b in self.kills)

    def wrong_with(self, rows):
        """rows: {Call-ID: [(code, answered, ended, by)]}. What is not as promised, in words."""
        out = [f"{i} was never made" for i in rows.keys() - self.calls.keys()]
        out += [f"{i} has {len(r)} records" for i, r in rows.items() if len(r) > 1]
        for c in self.calls.values():
            row = rows.get(c.call_id, [None])[0]
            if row is None:
                out += [f"{c.call_id} ({c.kind}) got {c.code} and has no record"] if self.is_safe(c.final_at) else []
                continue
            code, answered, ended, by = row
            if self.is_safe(c.final_at) and code != c.code:
                out.append(f"{c.call_id} got {c.code}, its record says {code}")
            if answered != (code // 100 == 2):
                out.append(f"{c.call_id} with {code} has {'an' if answered else 'no'} answer time")
            if self.is_safe(c.final_at) and self.is_safe(c.ended_at) and (not ended or by != "caller"):
                out.append(f"{c.call_id} was ended by its caller; the record: ended {ended}, by {by}")
        return out
