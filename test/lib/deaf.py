"""TCP peers that nobody hopes for: one whose SYNs are swallowed, one that takes a connection and never reads from it."""
import socket
import threading

import sip


class BlackHole:
    """Connections to it are never completed: nobody accepts, and the queue of its listening socket (of one) is full, so that the kernel drops
    each further SYN, as a firewall would."""

    def __init__(self, host="127.0.0.1"):
        self.host, self.port, self.fill = host, sip.free_port(host), []
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((host, self.port))
        self.sock.listen(0)
        while self._fits():
            assert len(self.fill) < 50, "the queue of a listening socket has no end"

    def _fits(self):
        s = socket.socket()
        s.settimeout(0.3)
        self.fill.append(s)
        try:
            s.connect((self.host, self.port))
        except socket.timeout:
            return False
        return True

    @property
    def uri(self):
        return f"sip:hole@{self.host}:{self.port};transport=tcp"

    def close(self):
        for s in [*self.fill, self.sock]:
            s.close()


class Mute:
    """Accepts and never reads a byte. Its receive buffer is small, so that what is sent to it piles up at the sender."""

    def __init__(self, host="127.0.0.1"):
        self.host, self.port, self.taken, self.open = host, sip.free_port(host), [], True
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.bind((host, self.port))
        self.sock.listen(64)
        self.sock.settimeout(0.2)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while self.open:
            try:
                self.taken.append(self.sock.accept()[0])
            except socket.timeout:
                continue

    @property
    def uri(self):
        return f"sip:mute@{self.host}:{self.port};transport=tcp"

    def close(self):
        self.open = False
        self.thread.join()
        for s in [*self.taken, self.sock]:
            s.close()
