"""A real phone: baresip without sound devices, controlled over its ctrl_tcp module (JSON in netstrings)."""
import json
import os
import socket
import subprocess
import time

import sip
import sipario

MODULES = next((d for d in ("/usr/lib/baresip/modules", "/usr/lib64/baresip/modules", "/usr/local/lib/baresip/modules") if os.path.isdir(d)), None)
CONFIG = """poll_method epoll
sip_listen {host}:{port}
net_interface {host}
rtp_ports {rtp.start}-{rtp.stop}
call_max_calls {lines}
call_local_timeout 60
module_path {modules}
module g711.so
module aubridge.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {host}:{ctrl}
audio_source aubridge,sink
audio_player aubridge,sink
audio_alert aubridge,alert
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
"""


class Baresip:
    """`events` is what it told, in order; wait() looks only at what came after the last wait()."""

    def __init__(self, bench, server, user, password=None, lines=4, host="127.0.0.1", account=None, transport="udp"):
        """account: the whole line of an accounts file, else it is made from user, password and server."""
        self.user, self.folder = user, bench.path(f"baresip-{user}-{len(bench.things)}")
        self.port, self.ctrl = sip.free_port(), sip.free_port()
        self.aor, self.events, self.read, self.buffer, self.answers = f"sip:{user}@{sipario.DOMAIN}", [], 0, b"", []
        os.mkdir(self.folder)
        self.account = account or f'<{self.aor};transport={transport}>;auth_user={user};auth_pass={password or sipario.password(user)};outbound="sip:{server.here};transport={transport}";regint=60'
        files = {"config": CONFIG.format(host=host, port=self.port, rtp=sip.RTP_PORTS, lines=lines, modules=MODULES, ctrl=self.ctrl), "contacts": "", "accounts": ""}
        for name, text in files.items():
            with open(os.path.join(self.folder, name), "w") as f:
                f.write(text)
        self.log = open(os.path.join(self.folder, "log"), "w")
        self.proc = subprocess.Popen(["baresip", "-4", "-s", "-v", "-f", self.folder], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=self.folder)
        bench.keep(self)
        self._connect((host, self.ctrl))

    def _connect(self, address, seconds=10):
        end = time.monotonic() + seconds
        while True:
            try:
                self.sock = socket.create_connection(address, timeout=2)
                return
            except OSError:
                assert self.proc.poll() is None and time.monotonic() < end, "baresip did not start"
                time.sleep(0.05)

    def _receive(self, seconds):
        """Read what is there; netstring: LENGTH:JSON,"""
        self.sock.settimeout(max(seconds, 0.01))
        try:
            data = self.sock.recv(65536)
            assert data, f"baresip of {self.user} is gone"
            self.buffer += data
        except socket.timeout:
            return
        while b":" in self.buffer:
            n, _, rest = self.buffer.partition(b":")
            if len(rest) <= int(n):
                return
            item, self.buffer = json.loads(rest[:int(n)]), rest[int(n) + 1:]
            (self.events if item.get("event") else self.answers).append(item)

    def do(self, command, params=""):
        text = json.dumps({"command": command, "params": params, "token": sip.token(4)})
        self.answers.clear()
        self.sock.sendall(f"{len(text)}:{text},".encode())
        end = time.monotonic() + 5
        while not self.answers and time.monotonic() < end:
            self._receive(0.2)
        assert self.answers, f"{self.user}: no answer to {command}"
        return self.answers[0]

    def wait(self, kind, seconds=10, param=None):
        """The next event of a type (CALL_INCOMING, CALL_RINGING, CALL_ESTABLISHED, CALL_CLOSED, REGISTER_OK, REGISTER_FAIL ...)."""
        end = time.monotonic() + seconds
        while True:
            while self.read < len(self.events):
                e = self.events[self.read]
                self.read += 1
                if e["type"] == kind and (param is None or param in e.get("param", "")):
                    return e
            left = end - time.monotonic()
            assert left > 0, f"{self.user}: waited {seconds} s for {kind} {param or ''}; events: {[(x['type'], x.get('param')) for x in self.events]}"
            self._receive(min(left, 0.5))

    def saw(self, kind):
        return any(e["type"] == kind for e in self.events)

    def trace(self):
        """Its SIP trace: what was sent and received."""
        self.log.flush()
        with open(os.path.join(self.folder, "log"), errors="replace") as f:
            return f.read()

    def register(self):
        """Its account is made by command: what happened before the control connection stood would not be told."""
        self.do("uanew", self.account)

    def registered(self):
        self.register()
        self.wait("REGISTER_OK")
        return self

    def dial(self, user):
        self.do("dial", user if user.startswith("sip:") else f"sip:{user}@{sipario.DOMAIN}")

    def accept(self):
        self.do("accept")

    def hangup(self):
        self.do("hangup")

    def close(self):
        if self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(3)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        if hasattr(self, "sock"):
            self.sock.close()
        self.log.close()

    def story(self):
        text = self.trace() if not self.log.closed else open(self.log.name, errors="replace").read()
        return f"--- baresip of {self.user}: events {[(x['type'], x.get('param')) for x in self.events]}\n" + "\n".join(text.splitlines()[-150:]) + "\n"
