#!/usr/bin/env python3
"""Types into a program in a terminal of its own.

usage: terminal.py STEPS PROGRAM [ARGUMENT ...]

STEPS is a JSON list of [text to wait for, what to type]. Prints all that the program showed, and ends with its exit
status; 124 when a text does not come within 20 seconds.
"""
import json
import os
import pty
import select
import sys
import time

steps, command = json.loads(sys.argv[1]), sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.environ["TERM"] = "xterm"
    os.execv(command[0], command)

shown, seen, deadline = "", 0, time.monotonic() + 20
while True:
    if steps and steps[0][0] in shown[seen:]:
        # What is typed before the question is ready is forgotten, on purpose.
        time.sleep(0.3)
        seen = len(shown)
        os.write(terminal, steps.pop(0)[1].encode())
        deadline = time.monotonic() + 20
    if not select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
        print(shown, f"\nnever shown: {steps[:1]}")
        sys.exit(124)
    try:
        part = os.read(terminal, 4096)
    except OSError:
        break
    if not part:
        break
    shown += part.decode(errors="replace")
print(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) % 256)
