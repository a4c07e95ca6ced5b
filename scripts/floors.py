#!/usr/bin/env python3
"""The floors of the house (core/FLOORS): an include may only point to a lower floor or to its own folder.

usage: floors.py [TOP]     prints each breach as FILE:LINE and ends with 1; tests may look everywhere and are skipped.
"""
import os
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def room_of(path, floors):
    """The room a file stands in and that room's floor; each module is a room of its own."""
    for room, floor in floors.items():
        if path == room or path.startswith(room + "/"):
            return ("/".join(path.split("/")[:2]) if room == "modules" else room), floor
    return None, None


def main(top):
    os.chdir(top)
    with open("core/FLOORS") as f:
        lines = [x.split() for x in f if x.strip() and not x.startswith("#")]
    floors = {room: n for n, rooms in enumerate(lines) for room in rooms}
    files = sorted(os.path.join(d, f) for r in ("core", "db", "modules") for d, _, fs in os.walk(r) for f in fs
                   if f.endswith((".c", ".h")) and not f.endswith("_test.c"))
    bad = 0
    for path in files:
        room, floor = room_of(path, floors)
        if room is None:
            print(f"{path}: stands on no floor of core/FLOORS")
            bad += 1
            continue
        with open(path) as f:
            found = [(n, m.group(1)) for n, m in enumerate(map(INCLUDE.match, f), 1) if m]
        for n, name in found:
            to = next((p for p in (os.path.normpath(os.path.join(d, name)) for d in (os.path.dirname(path), "core", "."))
                       if os.path.isfile(p)), name)
            to_room, to_floor = room_of(to, floors)
            if to_room is None or (to_room != room and to_floor >= floor):
                print(f"{path}:{n}: {room} may not include {to}")
                bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "."))
