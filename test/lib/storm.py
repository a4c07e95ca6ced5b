"""A storm of REGISTERs out of one thread, and the books of what was promised: what a 200 said, what is in doubt, what never was.

Each phone is one contact of an address-of-record, with a Call-ID of its own, and has one REGISTER under way at a time. `Contact: *` goes out only while no other
phone of its address-of-record is waiting, so that what is promised never depends on an order that nobody can know.

The first phone of each has an instance (RFC 5626) and moves: it registers now here, now there, and has one binding all the same.

A phone's books are the set of what its binding may be: the CSeq it was last stored with, or None where there is none. A request that
gets 200 leaves one; a request that gets another final answer, or none at all, adds one to those there were before.
"""
import random
import re
import select
import socket
import time

import sip

FIRST = re.compile(rb"SIP/2\.0 (\d{3}) .*?\r\n", re.S)
BRANCH = re.compile(rb"branch=(z9hG4bK[\w.]+)")
PATIENCE_S, AGAIN_S = 1.0, 0.5
LOST_S = 7.0            # the server answers within 5: what has no answer by then nobody works on


class Phone:
    def __init__(self, aor, n, moves):
        self.aor, self.call_id, self.cseq = aor, f"{sip.token()}@storm", 0
        self.contacts = [f"sip:{aor[4:].split('@')[0]}@127.0.0.1:{5000 + n + i}" for i in ((0, 10000) if moves else (0,))]
        self.params = f';+sip.instance="<urn:uuid:00000000-0000-1000-8000-{n:012x}>";reg-id=1' if moves else ""
        self.may_be = {None}

    @property
    def contact(self):
        return self.contacts[self.cseq % len(self.contacts)]


class Asked:
    """A REGISTER under way: what its phones' bindings are if it is carried out."""

    def __init__(self, raw, becomes, sock, at):
        self.raw, self.becomes, self.sock, self.at, self.sent_at = raw, becomes, sock, at, at


class Storm:
    def __init__(self, address, domain, seed, aors=40, contacts=3, window=40):
        self.address, self.domain, self.window, self.random = address, domain, window, random.Random(seed)
        self.socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
        for s in self.socks:
            s.bind(("127.0.0.1", 0))
            s.setblocking(False)
        self.phones = {f"sip:u{i}@{domain}": [Phone(f"sip:u{i}@{domain}", i * contacts + j, moves=j == 0) for j in range(contacts)] for i in range(aors)}
        self.by_contact = {(a, c): p for a, group in self.phones.items() for p in group for c in p.contacts}
        self.asked, self.busy, self.parked, self.answers = {}, set(), set(), {}

    def close(self):
        for s in self.socks:
            s.close()

    # ------------------------------------------------------------- one REGISTER
    def send(self, p, contacts, becomes):
        """becomes: {phone: its CSeq afterwards, or None}"""
        branch, sock = "z9hG4bK" + sip.token(14), self.random.choice(self.socks)
        host, port = sock.getsockname()
        raw = (f"REGISTER sip:{self.domain} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{port};rport;branch={branch}\r\nMax-Forwards: 70\r\nFrom: <{p.aor}>;tag={sip.token(6)}\r\n"
               f"To: <{p.aor}>\r\nSupported: path, outbound\r\nCall-ID: {p.call_id}\r\nCSeq: {p.cseq} REGISTER\r\nContact: {contacts}\r\n"
               + ("Expires: 0\r\n" if contacts == "*" else "") + "Content-Length: 0\r\n\r\n").encode()
        self.asked[branch.encode()] = Asked(raw, becomes, sock, time.monotonic())
        self.busy.update(becomes)
        sock.sendto(raw, self.address)

    def ask(self):
        """One phone that is free does something; False when it may not."""
        group = self.random.choice(list(self.phones.values()))
        p, chance = self.random.choice(group), self.random.random()
        if p in self.busy or p in self.parked:
            return False
        if chance < 0.06 and not any(x in self.busy or x in self.parked for x in group):
            self.tick(group)
            self.send(p, "*", {x: None for x in group})
        elif chance < 0.12:
            others = [x for x in group if x not in self.busy and x not in self.parked and not x.params]     # all that are free, by one phone
            if not others:
                return False
            self.tick(group)
            self.send(p, ", ".join(f"<{x.contact}>;expires=3600" for x in others), {x: (p.call_id, p.cseq) for x in others})
        elif chance < 0.35:
            self.tick(group)
            self.send(p, f"<{p.contact}>;expires=0{p.params}", {p: None})
        else:
            self.tick(group)
            self.send(p, f"<{p.contact}>;expires=3600{p.params}", {p: (p.call_id, p.cseq)})
        return True

    def tick(self, group):
        """One phone may register another's contact: then that one goes on from there (RFC 3261 10.3 compares CSeq for the same Call-ID only)."""
        n = max(x.cseq for x in group) + 1
        for x in group:
            x.cseq = n

    def answered(self, branch, status):
        rq = self.asked.pop(branch, None)
        if rq is None or status < 200:
            if rq:
                self.asked[branch] = rq
            return
        self.answers[status] = self.answers.get(status, 0) + 1
        for p, state in rq.becomes.items():
            p.may_be = {state} if status == 200 else p.may_be | {state}
            self.busy.discard(p)

    # ------------------------------------------------------------------ the pump
    def receive(self, seconds):
        for s in select.select(self.socks, [], [], seconds)[0]:
            for _ in range(64):
                try:
                    raw = s.recv(65536)
                except OSError:
                    break
                first, branch = FIRST.match(raw), BRANCH.search(raw)
                if first and branch:
                    self.answered(branch.group(1), int(first.group(1)))

    def pump(self, until, asks=True):
        """Until the time, or until a function says so."""
        done = until if callable(until) else lambda: time.monotonic() >= until
        while not done():
            room = self.window - self.under_way() if asks else 0
            for _ in range(min(room, 8)):
                self.ask()
            self.receive(0.002 if asks else 0.02)
            self.send_again(LOST_S)

    def send_again(self, after):
        """What has no answer for so long. While phones go on, a copy of what has been answered meanwhile must not be on its way: it would count."""
        now = time.monotonic()
        for rq in self.asked.values():
            if now > rq.sent_at + after:
                rq.sent_at = now
                rq.sock.sendto(rq.raw, self.address)

    def under_way(self):
        """Without those that may have been lost."""
        since = time.monotonic() - PATIENCE_S
        return sum(rq.at > since for rq in self.asked.values())

    def settle(self, seconds):
        """No new ones; those without an answer are sent again as RFC 3261 17.1.2.2 has it, then they are in doubt."""
        for rq in self.asked.values():
            self.parked.update(rq.becomes)
        end = time.monotonic() + seconds
        while self.asked and time.monotonic() < end:
            self.send_again(AGAIN_S)
            self.receive(0.05)

    # ----------------------------------------------------------------- the books
    def in_doubt(self):
        """Phones by what an unanswered REGISTER may have made of them."""
        out = {}
        for rq in self.asked.values():
            for p, state in rq.becomes.items():
                out.setdefault(p, set()).add(state)
        return out

    def judge(self, rows, where):
        """rows: {(aor, contact): (call_id, cseq)}. Whatever was promised must be there, nothing else may."""
        doubt, wrong, has = self.in_doubt(), [], {}
        for key, state in rows.items():
            if key in self.by_contact:
                has.setdefault(self.by_contact[key], []).append(state)
            else:
                wrong.append(f"{where}: {key} was never registered")
        for p in self.by_contact.values():
            may, there = p.may_be | doubt.get(p, set()), has.get(p, [None])
            if len(there) > 1 or there[0] not in may:
                wrong.append(f"{where}: {p.aor} at {p.contacts} is {there}, not one of {may}")
        assert not wrong, f"{len(wrong)} bindings are not as promised, first: " + "\n".join(wrong[:5])

    def begin_anew(self):
        """Those without an answer are done with, and stay in doubt."""
        for p, states in self.in_doubt().items():
            p.may_be |= states
        self.asked.clear()
        self.busy.clear()
        self.parked.clear()
