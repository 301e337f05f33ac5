#!/usr/bin/env python3
"""Runs a program in a new terminal and types into it.

usage: terminal.py STEPS PROGRAM [ARGUMENT ...]

STEPS is a JSON list of [text to wait for, text to type]. Prints the program's output and exits with its status, or with
124 if a text is not shown within 60 seconds.
"""
import json
import os
import pty
import select
import sys
import termios
import time

LIMIT = 60
steps, command = json.loads(sys.argv[1]), sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.environ["TERM"] = "xterm"
    os.execv(command[0], command)


def wait_until_program_reads():
    """Waits until the terminal's line editing is off: then ssod reads answers key by key, and no longer discards early input."""
    while termios.tcgetattr(terminal)[3] & termios.ICANON:
        if time.monotonic() > deadline:
            sys.exit(f"{output}\nnot read: {steps[:1]}")
        time.sleep(0.01)


output, searched, deadline = "", 0, time.monotonic() + LIMIT
while True:
    if steps and steps[0][0] in output[searched:]:
        wait_until_program_reads()
        searched = len(output)
        os.write(terminal, steps.pop(0)[1].encode())
        deadline = time.monotonic() + LIMIT
    if not select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
        print(output, f"\nnot shown: {steps[:1]}")
        sys.exit(124)
    try:
        part = os.read(terminal, 4096)
    except OSError:
        break
    if not part:
        break
    output += part.decode(errors="replace")
print(output)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) % 256)
