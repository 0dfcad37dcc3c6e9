"""Servers on the loopback for the tests of crawl: a real nginx, and one that does what nginx cannot. They end with
the test, also with one that is killed."""

import collections
import contextlib
import ctypes
import html.parser
import http.client
import http.server
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
ECHO = "/usr/lib/nginx/modules/ngx_http_echo_module.so"


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Nginx:
    """Serves FOLDER/www. `locations` goes into the server's configuration. The listening socket is made here and
    handed over, so there is no port to guess and no start to wait for."""

    def __init__(self, folder, locations="", address="127.0.0.1", certificate=None):
        self.folder = pathlib.Path(folder)
        self.www = self.folder / "www"
        self.www.mkdir(parents=True, exist_ok=True)
        listening = socket.create_server((address, 0), backlog=1024)
        port = listening.getsockname()[1]
        self.url = f"http{'s' if certificate else ''}://{address}:{port}"
        tls = f"ssl_certificate {certificate[0]}; ssl_certificate_key {certificate[1]};" if certificate else ""
        temporary = "".join(f"{kind}_temp_path temp;" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;" if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(
            f"""daemon off; worker_processes 1; {user} pid nginx.pid; error_log error.log; load_module {ECHO};
            events {{ worker_connections 2000; }}
            http {{
              types {{ text/html html; text/css css; image/png png; }}
              default_type application/octet-stream; {temporary}
              log_format short '$request_uri $status'; access_log access.log short;
              keepalive_requests 100000; charset utf-8;
              server {{ listen {address}:{port} {'ssl' if certificate else ''}; {tls} root {self.www}; {locations} }}
            }}"""
        )
        self.process = subprocess.Popen(
            [NGINX, "-p", str(self.folder), "-c", "nginx.conf", "-e", "error.log"],
            env={**os.environ, "NGINX": f"{listening.fileno()};"},
            pass_fds=[listening.fileno()],
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )
        listening.close()

    def page(self, name, *links, text=""):
        """Writes a page that links to others."""
        path = self.www / name
        path.parent.mkdir(parents=True, exist_ok=True)
        anchors = "".join(f'<a href="{link}">x</a>\n' for link in links)
        path.write_text(f"<!doctype html><title>{name}</title>\n{anchors}{text}")

    def requests(self):
        """How often each path was asked for, by requests that have been answered."""
        # A line is written when its answer is sent, and may come after who has read that answer. The one worker has
        # written them all when it comes to the second of two more requests: the first may be of the same round.
        self.ask_twice("/is-all-written")
        log = (self.folder / "access.log").read_text()
        asked = collections.Counter(line.rsplit(" ", 1)[0] for line in log.splitlines())
        del asked["/is-all-written"]
        return asked

    def ask_twice(self, path):
        with contextlib.closing(http.client.HTTPConnection(urllib.parse.urlsplit(self.url).netloc)) as connection:
            for _ in range(2):
                connection.request("GET", path)
                connection.getresponse().read()

    def close(self):
        self.process.terminate()  # the master ends its worker
        self.process.wait()


class Odd(http.server.ThreadingHTTPServer):
    """Answers as a function says: answer(handler, path). Knows when it was asked for what."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, answer):
        self.asked = []  # (time, path, headers)
        self.lock = threading.Lock()
        self.active = self.most = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                with self.server.lock:
                    self.server.asked.append((time.monotonic(), self.path, dict(self.headers)))
                    self.server.active += 1
                    self.server.most = max(self.server.most, self.server.active)
                try:
                    answer(self, self.path)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # the crawler has had enough
                finally:
                    with self.server.lock:
                        self.server.active -= 1

            def say(self, status, body="", kind="text/html", **headers):
                data = body.encode() if isinstance(body, str) else body
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                for key, value in headers.items():
                    self.send_header(key.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, *_):
        pass  # the crawler hung up

    def times(self, path):
        with self.lock:
            return [when for when, asked, _ in self.asked if asked == path]

    def paths(self):
        with self.lock:
            return collections.Counter(path for _, path, _ in self.asked)

    def close(self):
        self.shutdown()
        self.server_close()


def links(*targets):
    return "".join(f'<a href="{target}">x</a>' for target in targets)


def drop(handler):
    """Ends the connection as a broken server does."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


class Canary:
    """A port that nobody is to connect to; counts who does."""

    def __init__(self, address):
        self.socket = socket.create_server((address, 0))
        self.url = f"http://{address}:{self.socket.getsockname()[1]}"

    def callers(self):
        self.socket.setblocking(False)
        count = 0
        while True:
            try:
                self.socket.accept()[0].close()
                count += 1
            except BlockingIOError:
                return count

    def close(self):
        self.socket.close()


def self_signed(folder):
    """A certificate for 127.0.0.1 and its key."""
    certificate, key = pathlib.Path(folder) / "cert.pem", pathlib.Path(folder) / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    return certificate, key


# ---- an independent crawl, one page after the other ----------------------------------------------------------


class LinkParser(html.parser.HTMLParser):
    ATTRIBUTES = {("a", "href"), ("link", "href"), ("img", "src"), ("script", "src"), ("iframe", "src")}

    def __init__(self, text):
        super().__init__()
        self.base, self.links = None, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for key, value in attrs:
            if value is None:
                continue
            if (tag, key) == ("base", "href") and self.base is None:
                self.base = value
            elif (tag, key) in self.ATTRIBUTES:
                self.links.append(value)
            elif (tag, key) == ("img", "srcset"):
                self.links += [candidate.split()[0] for candidate in value.split(",")]


def serial_crawl(start, depth=10**9):
    """The visited URLs and their depths, breadth first. Of robots.txt it knows what the tests use: Disallow with a
    beginning."""
    origin = urllib.parse.urlsplit(start)
    connection = http.client.HTTPConnection(origin.hostname, origin.port)

    def get(path):
        nonlocal connection
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (http.client.HTTPException, OSError):
            connection.close()
            connection = http.client.HTTPConnection(origin.hostname, origin.port)
            return 0, {}, b""

    status, _, robots = get("/robots.txt")
    closed = [line.split(":")[1].strip() for line in robots.decode().splitlines() if line.startswith("Disallow:")]
    closed = [beginning for beginning in closed if beginning] if status == 200 else []
    depths, visited = {start: 0}, {}
    todo = collections.deque([start])
    while todo:
        url = todo.popleft()
        at = depths[url]
        parts = urllib.parse.urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        if any(path.startswith(beginning) for beginning in closed):
            continue
        if url in visited and visited[url] <= at:
            continue
        visited[url] = at
        status, headers, body = get(path)
        found = []
        if 300 <= status < 400:
            found = [(headers["Location"], at)]
        elif status == 200 and headers.get("Content-Type", "").startswith("text/html"):
            page = LinkParser(body.decode(errors="replace"))
            base = urllib.parse.urljoin(url, page.base or "")
            found = [(urllib.parse.urljoin(base, link), at + 1) for link in page.links]
        for link, there in found:
            target = urllib.parse.urldefrag(urllib.parse.urljoin(url, link))[0]
            outside = urllib.parse.urlsplit(target)[:2] != origin[:2]
            if outside or there > depth or depths.get(target, there + 1) <= there:
                continue
            depths[target] = there
            if there == at:
                todo.appendleft(target)  # a redirect: not a step farther away
            else:
                todo.append(target)
    connection.close()
    return visited
