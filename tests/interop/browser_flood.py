#!/usr/bin/env python3
"""Lets a web page in a headless Chromium send requests to http://127.0.0.1:VICTIM for some seconds.

Each request names another profile. Prints how many requests the page sent. Arguments: the victim's port, the seconds.
It uses only Python's standard library and loopback, and ends the browser with all of its processes.
"""
import ctypes
import http.server
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

PAGE = """<!doctype html><meta charset=utf-8><link rel=icon href='data:,'><body><script>
let sent = 0;
const end = performance.now() + 1000 * %d;
const flood = async () => {
  while (performance.now() < end) {
    const url = 'http://127.0.0.1:%d/credentials/invented-' + (++sent);
    try { await fetch(url, {mode: 'no-cors', cache: 'no-store'}); } catch (e) {}
  }
};
Promise.all(Array.from({length: 12}, flood)).then(() => fetch('/sent', {method: 'POST', body: String(sent)}));
</script>"""


def end(browser):
    """Kills the browser's process group, and the processes that it left, whose parent is this process (a subreaper)."""
    try:
        os.killpg(browser.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    browser.wait(10)
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def main():
    victim, seconds = int(sys.argv[1]), int(sys.argv[2])
    sent = queue.Queue()

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = (PAGE % (seconds, victim)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            sent.put(int(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    libc = ctypes.CDLL(None)
    libc.prctl(36, 1, 0, 0, 0)                    # PR_SET_CHILD_SUBREAPER
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder = tempfile.mkdtemp(prefix="cr-", dir="/tmp")
    env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": folder, "XDG_RUNTIME_DIR": folder, "TMPDIR": folder,
           "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent", "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}
    command = ["/usr/bin/chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
               "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic",
               "--disable-extensions", "--disable-default-apps", "--disable-breakpad", "--disable-crash-reporter",
               "--disable-dev-shm-usage", "--password-store=basic", "--no-proxy-server", "--mute-audio",
               "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
               "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
               "--user-data-dir=" + folder + "/profile", "http://127.0.0.1:%d/" % server.server_port]
    browser = subprocess.Popen(command, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True,
                               preexec_fn=lambda: libc.prctl(1, signal.SIGKILL, 0, 0, 0))
    try:
        print(sent.get(timeout=seconds + 90))
    finally:
        end(browser)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
