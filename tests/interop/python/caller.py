"""The interface that every client of `cargo xtask interop` has.

A client gets moto's URL as its argument and calls as lines on its standard input: `whoami`, `stop INSTANCE` or
`read BUCKET KEY`. It answers each line with one line of JSON, `{"ok": ...}` or `{"error": ...}`, and keeps its AWS
clients between the calls, as a program that runs for a long time does.
"""
import json
import sys


def serve(**actions):
    """Answers the calls of the standard input with these functions until it ends."""
    for line in sys.stdin:
        name, *arguments = line.split()
        try:
            answer = {"ok": actions[name](*arguments)}
        except Exception as error:  # noqa: BLE001: each error is an answer
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
