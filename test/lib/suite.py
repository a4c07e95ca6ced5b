"""Runs the tests of a suite, several at a time, and reports each as 'ok - name' or 'not ok - name'."""
import argparse
import concurrent.futures
import shutil
import sys
import tempfile
import threading
import time
import traceback

TESTS = []


class Skip(Exception):
    """This machine lacks what the test needs."""


class Bench:
    """What a test starts and must not leave behind: a folder, and things with a close()."""

    def __init__(self, name):
        self.name, self.dir, self.things = name, tempfile.mkdtemp(prefix="sipario-test."), []

    def keep(self, thing):
        self.things.append(thing)
        return thing

    def path(self, name):
        return f"{self.dir}/{name}"

    def close(self):
        """Close in reverse order; the first trouble is raised when all are closed."""
        trouble = None
        for t in reversed(self.things):
            try:
                t.close()
            except Exception as e:
                trouble = trouble or e
        if trouble:
            raise trouble

    def story(self):
        """What the things have to say about a failure (logs)."""
        return "".join(t.story() for t in self.things if hasattr(t, "story"))


def test(name, alone=False):
    """Decorator. alone: runs when nothing else does (measures time, or wants fixed ports)."""
    def note(fn):
        TESTS.append((name, fn, alone))
        return fn
    return note


def until(fn, seconds=20):
    """Until it is true, whatever the machine is busy with."""
    end = time.monotonic() + seconds
    while not fn():
        assert time.monotonic() < end, f"it did not come true within {seconds} s"
        time.sleep(0.02)


def run_one(name, fn):
    b, started, out = Bench(name), time.monotonic(), ""
    try:
        try:
            fn(b)
        finally:
            b.close()
        verdict = "ok"
    except Skip as e:
        verdict, out = "ok", f"# skipped: {e}\n"
    except Exception:
        verdict = "not ok"
        out = "".join("# " + x + "\n" for x in (traceback.format_exc() + b.story()).splitlines())
    shutil.rmtree(b.dir, ignore_errors=True)
    with LOCK:
        print(f"{out}{verdict} - {name}{' ' * max(1, 66 - len(name))}# {time.monotonic() - started:.1f} s", flush=True)
    return verdict == "ok"


LOCK = threading.Lock()


def main(default_jobs=3):
    ap = argparse.ArgumentParser()
    ap.add_argument("match", nargs="*", help="parts of test names")
    ap.add_argument("-j", type=int, default=default_jobs)
    ap.add_argument("-l", action="store_true", help="list the names")
    a = ap.parse_args()
    todo = [t for t in TESTS if not a.match or any(m in t[0] for m in a.match)]
    if a.l:
        print("\n".join(t[0] for t in todo))
        return 0
    with concurrent.futures.ThreadPoolExecutor(a.j) as pool:
        good = list(pool.map(lambda t: run_one(t[0], t[1]), [t for t in todo if not t[2]]))
    good += [run_one(t[0], t[1]) for t in todo if t[2]]
    return 0 if all(good) else 1


def run(**kw):
    sys.exit(main(**kw))
