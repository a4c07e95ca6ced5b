#!/usr/bin/env python3
"""A PostgreSQL server of the tests' own: a cluster in a temporary folder, on a unix socket there and on a port of 127.0.0.1.

As a program it serves tests that are no Python: it prints "ready FOLDER PORT", then obeys lines on its standard input (`sql DATABASE TEXT`, `stop`,
`start`, `kill`), answering each with "done", and takes everything away when that ends.

Users: sipario (the owner; trusted on the socket), locked (password "secret word", asked for everywhere), peering (if a test makes it: only
for the system user of that name).
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sip

HBA = """local all locked scram-sha-256
local all peering peer
local all all trust
hostssl all all 127.0.0.1/32 scram-sha-256
host all locked 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""
SETTINGS = ("fsync=off", "shared_buffers=16MB", "max_connections=40", "password_encryption=scram-sha-256", "log_min_messages=fatal", "max_wal_size=2GB")


def tools():
    """Debian keeps the server's programs out of PATH."""
    base = "/usr/lib/postgresql"
    if os.path.isdir(base):
        return os.path.join(base, max(os.listdir(base), key=lambda v: int(v) if v.isdigit() else 0), "bin")
    return os.path.dirname(os.path.realpath(shutil.which("initdb") or "initdb"))


class Cluster:
    """data: an empty folder for it to live in; settings and initdb: more of them."""

    def __init__(self, ssl=False, data=None, settings=(), initdb=()):
        self.bin, self.proc, self.ssl, self.settings = tools(), None, ssl, [*SETTINGS, *settings]
        self.dir = tempfile.mkdtemp(prefix="sipario-pg.")
        os.chmod(self.dir, 0o755)
        self.data, self.port = data or os.path.join(self.dir, "data"), sip.free_port("127.0.0.1")
        self.root = os.geteuid() == 0    # initdb refuses root
        os.makedirs(self.data, 0o700, exist_ok=True)
        if self.root:
            shutil.chown(self.dir, "postgres")
            shutil.chown(self.data, "postgres")
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", "sipario", "--no-sync", "-E", "UTF8", "--locale=C", *initdb)
        with open(os.path.join(self.data, "pg_hba.conf"), "w") as f:
            f.write(HBA)
        if ssl:
            self.make_certificate()
        self.start()
        self.sql("postgres", "CREATE ROLE locked LOGIN CREATEDB PASSWORD 'secret word'")

    def command(self, tool, *args):
        cmd = [os.path.join(self.bin, tool), *args]
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *cmd] if self.root else cmd

    def run(self, tool, *args, **kw):
        r = subprocess.run(self.command(tool, *args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/", **kw)
        assert r.returncode == 0, f"{tool}: {r.stdout}{r.stderr}"
        return r.stdout

    def make_certificate(self):
        """For 127.0.0.1, signed by itself."""
        for name in ("server.key", "server.crt"):
            if self.root:
                open(os.path.join(self.data, name), "w").close()
                shutil.chown(os.path.join(self.data, name), "postgres")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", os.path.join(self.data, "server.key"),
                        "-out", os.path.join(self.data, "server.crt")], check=True, capture_output=True)
        os.chmod(os.path.join(self.data, "server.key"), 0o600)
        shutil.copy(os.path.join(self.data, "server.crt"), os.path.join(self.dir, "root.crt"))

    def start(self):
        settings = [*self.settings, f"unix_socket_directories={self.dir}", "listen_addresses=127.0.0.1", f"port={self.port}"] + (["ssl=on"] if self.ssl else [])
        end = time.monotonic() + 30
        while True:    # after a kill its children may hold the shared memory for a moment
            try:
                self.run("pg_ctl", "-D", self.data, "-l", os.path.join(self.data, "log"), "-w", "-t", "60", "-s", "-o", " ".join("-c " + s for s in settings), "start")
                break
            except AssertionError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
        with open(os.path.join(self.data, "postmaster.pid")) as f:
            self.proc = int(f.readline())

    def stop(self, mode="fast"):
        if self.proc:
            self.run("pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", "60", "-s", "stop")
        self.proc = None

    def kill(self):
        """kill -9 of the server; its children see it and end."""
        os.kill(self.proc, signal.SIGKILL)
        self.proc = None

    def revive(self, seconds=30):
        """Whatever has befallen it: wait until it answers, started again where it has ended."""
        end = time.monotonic() + seconds
        while True:
            if self.proc is None or not os.path.exists(f"/proc/{self.proc}"):
                self.start()
            try:
                return self.sql("postgres", "SELECT 1")
            except AssertionError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def sql(self, database, text):
        return self.run("psql", "-q", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.dir, "-p", str(self.port), "-U", "sipario", "-d", database, "-c", text).strip()

    def url(self, database, user="sipario", **options):
        more = "".join(f"&{k}={v}" for k, v in options.items())
        return f"postgresql://{user}@/{database}?host={self.dir}&port={self.port}{more}"

    def close(self):
        try:
            self.stop("immediate")
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)

    def story(self):
        try:
            with open(os.path.join(self.data, "log"), errors="replace") as f:
                return "--- the log of PostgreSQL\n" + f.read()[-4000:]
        except OSError:
            return ""


def serve(c):
    print("ready", c.dir, c.port, flush=True)
    for line in sys.stdin:
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "sql":
            c.sql(*rest.split(" ", 1))
        else:
            {"stop": c.stop, "start": c.start, "kill": c.kill}[word]()
        print("done", flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *a: sys.exit(1))
    cluster = Cluster(ssl=True)
    try:
        serve(cluster)
    finally:
        cluster.close()
