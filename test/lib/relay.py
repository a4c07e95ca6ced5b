"""A relay for TCP that hands everything on, both ways, after a delay: a network that is longer than the loopback."""
import queue
import socket
import threading
import time


def end(sockets):
    for s in sockets:
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        s.close()


class Relay:
    """to: an address, or the path of a unix socket. Bytes arrive `delay` seconds late, however many are on the way."""

    def __init__(self, to, delay):
        self.to, self.delay = to, delay
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.ends, self.broken = [], False
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                a, _ = self.listener.accept()
            except OSError:
                return
            if self.broken:
                a.close()
                continue
            b = socket.socket(socket.AF_UNIX if isinstance(self.to, str) else socket.AF_INET)
            try:
                b.connect(self.to)
            except OSError:
                a.close()
                continue
            self.ends += [a, b]
            for x, y in ((a, b), (b, a)):
                x.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) if x.family == socket.AF_INET else None
                q = queue.SimpleQueue()
                threading.Thread(target=self.read, args=(x, q), daemon=True).start()
                threading.Thread(target=self.write, args=(y, q), daemon=True).start()

    def read(self, sock, q):
        data = True
        while data:
            try:
                data = sock.recv(65536)
            except OSError:
                data = b""
            q.put((time.monotonic() + self.delay, data))

    def write(self, sock, q):
        while True:
            at, data = q.get()
            time.sleep(max(0, at - time.monotonic()))
            try:
                if not data:
                    sock.shutdown(socket.SHUT_WR)
                    return
                sock.sendall(data)
            except OSError:
                return

    def cut(self):
        """Nothing gets through, until mend()."""
        self.broken = True
        end(self.ends)

    def mend(self):
        self.broken = False

    def close(self):
        end([self.listener, *self.ends])
