"""Starts Sipario for a test: an own folder, own ports, an own database; at the end it must stop cleanly and without a sanitizer's complaint."""
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time

import sip

TOP = os.environ.get("SIPARIO_TOP") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHARED = os.environ.get("SIPARIO_SHARED") or os.path.join(os.path.dirname(TOP), "shared")
BIN = os.environ.get("SIPARIO_TEST_BIN") or os.path.join(TOP, "build/san/sipario")
CTL = os.path.join(os.path.dirname(BIN), "siparioctl")
DOMAIN = "example.org"
USERS = ("alice", "bob", "carol", "dave")
COMPLAINT = re.compile(r"ERROR: \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer")
os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:disable_coredump=1")
os.environ.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")


def password(user):
    return "pw-" + user


def ctl(*args, input=None, check=True, timeout=30):
    """Run siparioctl; its output."""
    r = subprocess.run([CTL, *args], input=input, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout)
    if check and r.returncode:
        raise AssertionError(f"siparioctl {' '.join(args)} ended with {r.returncode}: {r.stderr}{r.stdout}")
    return r.stdout if check else r


def new_database(url, domains=(DOMAIN,), users=USERS):
    """The operator's way to a database: migrate, a domain, users with passwords on standard input."""
    base = ["--db", url, "--schema", os.path.join(TOP, "db/schema")]
    ctl(*base, "db", "migrate")
    for d in domains:
        ctl(*base, "domain", "add", d)
        for u in users:
            ctl(*base, "user", "add", f"{u}@{d}", "--stdin", input=password(u) + "\n")


class Template:
    """The usual database, made once in a run and copied for each server."""
    lock, folder = threading.Lock(), None

    @classmethod
    def copy(cls, to):
        with cls.lock:
            if cls.folder is None:
                cls.folder = tempfile.TemporaryDirectory(prefix="sipario-template.")
                new_database("sqlite:" + os.path.join(cls.folder.name, "t.db"))
        for suffix in ("", "-wal", "-shm"):
            source = os.path.join(cls.folder.name, "t.db" + suffix)
            if os.path.exists(source):
                shutil.copy(source, to + suffix)


def children(pid):
    """Direct children of a process: {pid: command line}."""
    out = {}
    for d in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{d}/stat") as f:
                if int(f.read().rpartition(")")[2].split()[1]) != pid:
                    continue
            with open(f"/proc/{d}/cmdline", "rb") as f:
                out[int(d)] = f.read().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue
    return out


def role(pid):
    """What a child of the supervisor calls itself."""
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read().strip()
    except OSError:
        return ""


class Server:
    """script: the text of a script of its own; without one it is etc/sipario.cfg. settings: more lines, put at the end of it. tcp: a script of its own listens there, too, as the usual one does. store: URL of a database that is
    there, instead of an SQLite file."""

    def __init__(self, bench, script=None, settings="", host="127.0.0.1", tcp=False, workers=2, database=True, store=None, start=True, ready=20):
        self.bench, self.host, self.port = bench, host, sip.free_port(host)
        self.here = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.address = (host, self.port)
        n = len(bench.things)
        self.db, self.control, self.log, self.file = (bench.path(f"{n}.{x}") for x in ("db", "sock", "log", "cfg"))
        self.proc, self.expect_complaint = None, False
        self.controlled = script is None or "@CONTROL@" in script
        self.store = store or "sqlite:" + self.db
        if database and not store:
            Template.copy(self.db)
        text = script if script is not None else f'include "{TOP}/etc/sipario.cfg";\n'
        consts = {"DOMAIN": DOMAIN, "LISTEN": f"udp:{self.here}", "LISTEN_TCP": f"tcp:{self.here}", "DATABASE": self.store, "CONTROL": self.control, "SPOOL": bench.path(f"{n}.cdr")}
        if script is not None:
            for k, v in consts.items():
                text = text.replace("@" + k + "@", v)
            consts = {}
            settings += f"listen tcp:{self.here};\n" if tcp else ""
        self.consts = [x for k, v in consts.items() for x in ("-D", f"{k}={v}")]
        with open(self.file, "w") as f:
            f.write(text + f"\nworkers {workers};\n" + settings)
        bench.keep(self)
        if start:
            self.start(ready)

    def start(self, ready=20):
        with open(self.log, "a") as log:
            self.proc = subprocess.Popen([BIN, "-f", self.file, *self.consts], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.bench.dir)
        end = time.monotonic() + ready
        with sip.Phone(self.address, "probe", "probe.invalid") as p:
            while time.monotonic() < end:
                assert self.proc.poll() is None, f"the server ended with {self.proc.returncode} at start"
                p.start("OPTIONS", f"sip:{self.here}")
                # one that has forked has opened its sockets: it was not a predecessor's orphan who answered
                if p.find("2xx", 0.05) and self.children() and (not self.controlled or self.control_answers()):
                    return
        raise AssertionError(f"the server did not answer OPTIONS within {ready} s")

    def control_answers(self):
        """Its process is begun beside the workers, and may be later than they."""
        with socket.socket(socket.AF_UNIX) as c:
            return c.connect_ex(self.control) == 0

    def children(self):
        return children(self.proc.pid)

    def ctl(self, *args, **kw):
        return ctl("--socket", self.control, "--db", self.store, *args, **kw)

    def counter(self, name):
        return next(x["value"] for x in json.loads(self.ctl("--json", "stats", name)) if x["name"] == name)

    def kill(self):
        """kill -9 of the supervisor; those that it leaves behind."""
        left = self.children()
        self.proc.kill()
        self.proc.wait()
        self.proc = None
        return left

    def sql(self, text, *values):
        db = sqlite3.connect(self.db, timeout=10)
        with db:
            rows = db.execute(text, values).fetchall()
        db.close()
        return rows

    def text(self):
        try:
            with open(self.log, errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def stop(self, patience=1.0):
        """SIGTERM, and a second one when transactions keep it up for longer than `patience`. Its exit status."""
        p, self.proc = self.proc, None
        left = [p.pid, *children(p.pid)]
        if p.poll() is None:
            p.send_signal(signal.SIGTERM)
            try:
                p.wait(patience)
            except subprocess.TimeoutExpired:
                p.send_signal(signal.SIGTERM)
        try:
            return p.wait(10)
        except subprocess.TimeoutExpired:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            p.wait()
            raise AssertionError("the server did not stop within 10 s of a second SIGTERM")

    def close(self):
        if self.proc is None:
            return
        status = self.stop()
        assert status == 0, f"the server ended with {status}"
        m = COMPLAINT.search(self.text())
        assert not m or self.expect_complaint, f"a sanitizer complained: {m.group(0)}"

    def story(self):
        lines = self.text().splitlines()
        return "\n".join(["--- the server's log"] + lines[-120:]) + "\n"
