"""crawl against a real nginx on the loopback, and against servers that misbehave."""

import gzip
import json
import os
import pathlib
import pty
import random
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

import crawl_site
import examples

LOCAL = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}


class Test(unittest.TestCase):
    def setUp(self):
        top = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="coppice-crawl-", dir=top))
        self.addCleanup(shutil.rmtree, self.folder)
        self.out = self.folder / "out.sqlite"

    def nginx(self, locations="", **options):
        server = crawl_site.Nginx(self.folder / "nginx", locations, **options)
        self.addCleanup(server.close)
        return server

    def odd(self, answer):
        server = crawl_site.Odd(answer)
        self.addCleanup(server.close)
        return server

    def crawl(self, *arguments, status=0, **options):
        return json.loads(self.text(*arguments, "--json", status=status, **options))

    def text(self, *arguments, status=0, **options):
        return examples.run("crawl", *map(str, arguments), status=status, env=LOCAL, **options)

    def rows(self, query):
        with sqlite3.connect(self.out) as connection:
            rows = connection.execute(query).fetchall()
        connection.close()
        return rows

    def change(self, statement):
        with sqlite3.connect(self.out) as connection:
            connection.execute(statement)
        connection.close()

    def visited(self):
        """URL: depth, from the database."""
        return dict(self.rows("SELECT url, depth FROM pages WHERE state != 'disallowed'"))

    def reasons(self, report):
        return {error["url"].split("/", 3)[3]: error["reason"] for error in report["error_list"]}

    # ---- the same pages ----

    def messy_site(self):
        """300 pages, linked at random, in cycles, redirected, broken, and with links to all that is none."""
        server = self.nginx(
            """location = /moved { return 301 /p7.html; }  location = /twice { return 302 /moved; }
               location = /gone { return 410; }            location = /broken { return 500; }
               location = /query { default_type text/html; return 200 "<a href='?b=1'>1</a><a href='?a=1&amp;b=2'>"; }
               location = /closed { return 444; }"""
        )
        seed = random.randrange(2**32)
        print("seed", seed)
        chance = random.Random(seed)
        for i in range(300):
            near = [f"p{j}.html" for j in (2 * i + 1, 2 * i + 2, chance.randrange(300)) if j < 300]
            odd = chance.sample(
                ["moved", "twice", "gone", "broken", "query", "closed", "missing", "#top", "?", "mailto:a@b.org",
                 "a%20b.html",
                 "private/x.html", "http://elsewhere.example/", "sub/../p3.html", "image.png",
                 "plain.txt", "nested/q.html",
                 "javascript:f()", "//other.example/x", "p4.html#part"], 2)
            server.page(f"p{i}.html", *near, *odd,
                        text='<img src="image.png" srcset="image.png 1x, big.png 2x"><script src="s.js"></script>')
        server.page("a b.html", "p5.html")
        server.page("private/x.html", "secret.html")
        server.page("nested/q.html", "r.html", "../p9.html", text='<base href="/nested/deep/">')
        server.page("nested/deep/r.html", "/p1.html", text="<p><table><a href='/p2.html'<td></b>")
        (server.www / "image.png").write_bytes(b"<a href='/not-a-link.html'>" * 10000)
        (server.www / "plain.txt").write_text("<a href='/not-a-link.html'>")
        (server.www / "robots.txt").write_text("User-agent: *\nDisallow: /private/\n")
        return server

    def test_visits_what_a_serial_crawl_visits_each_once(self):
        server = self.messy_site()
        start = server.url + "/p0.html"
        for depth in (3, 10**6):
            expected = crawl_site.serial_crawl(start, depth)
            for workers, concurrency in ((1, 1), (2, 64), (8, 7)):
                self.out.unlink(missing_ok=True)
                before = server.requests()
                report = self.crawl(start, "--out", self.out, "--depth", depth, "--retries", 0, "--workers", workers,
                                    "--concurrency", concurrency, "--per-host", concurrency, status=1)
                self.assertEqual(self.visited(), expected, (depth, workers, concurrency))
                asked = server.requests() - before
                # libcurl repeats at once what a kept connection did not answer.
                self.assertIn(asked["/closed"], (0, 1, 2) if server.url + "/closed" in expected else (0,))
                repeated = {path for path, count in asked.items() if count > 1} - {"/closed"}
                self.assertEqual(repeated, set())
                self.assertEqual(len(asked), len(expected) + 1, "and robots.txt")
                self.assertEqual(report["task_errors"], report["errors"])
                self.assertEqual(report["pages"] + report["errors"], len(expected))
                self.assertEqual(report["disallowed"], len(self.rows("SELECT * FROM pages WHERE state = 'disallowed'")))
                self.assertEqual(report["left"], 0)

    def test_of_ten_thousand_pages_finds_them_all(self):
        server, count = self.nginx(), 10_000
        for i in range(count):
            server.page(f"{i}.html", *(f"{child}.html" for child in range(8 * i + 1, 8 * i + 9) if child < count),
                        f"{(i * 7919) % count}.html", "0.html")
        report = self.crawl(server.url + "/0.html", "--out", self.out, "--per-host", 32)
        self.assertEqual((report["pages"], report["errors"], report["left"]), (count, 0, 0))
        self.assertEqual(set(self.visited()), {f"{server.url}/{i}.html" for i in range(count)})
        asked = server.requests()
        self.assertEqual(max(asked.values()), 1)

    def test_runs_through_cycles_and_long_chains(self):
        server = self.nginx()
        for i in range(1000):
            server.page(f"{i}.html", f"{(i + 1) % 1000}.html", f"{i}.html", f"{max(0, i - 1)}.html")
        self.crawl(server.url + "/0.html", "--out", self.out)
        self.assertEqual(self.visited()[server.url + "/999.html"], 999)

    def test_never_leaves_the_site(self):
        canaries = [crawl_site.Canary(address) for address in ("127.0.0.2", "127.0.0.1")]
        for canary in canaries:
            self.addCleanup(canary.close)
        server = self.nginx("location = /away { return 302 %s/there; }" % canaries[0].url)
        port = server.url.rsplit(":", 1)[1]
        server.page("index.html", "away", canaries[0].url + "/x.html", canaries[1].url + "/y.html",
                    f"http://localhost:{port}/z.html",
                    text=f'<base href="{server.url}/"><img src="{canaries[1].url}/i.png">'
                         '<iframe src="//127.0.0.2/"></iframe>')
        report = self.crawl(server.url + "/index.html", "--out", self.out)
        self.assertEqual([canary.callers() for canary in canaries], [0, 0])
        self.assertEqual(set(server.requests()), {"/robots.txt", "/index.html", "/away"})
        self.assertEqual((report["pages"], report["outside"]), (2, 5), "a redirect is no link")
        outside = self.rows("SELECT count(*) FROM links WHERE inside = 0")
        self.assertEqual(outside, [(5,)])
        report = self.crawl(server.url + "/index.html", "--out", self.out, "--resume")
        self.assertEqual((report["pages"], report["outside"]), (2, 5))

    def test_says_that_the_start_leads_out_of_the_site(self):
        canary = crawl_site.Canary("127.0.0.2")
        self.addCleanup(canary.close)
        server = self.nginx("location = /moved { return 301 /away; } location = /away { return 302 %s/; }" % canary.url)
        for again in ((), ("--resume",), ("--resume", "--check")):
            text = self.text(server.url + "/moved", "--out", self.out, *again)
            self.assertIn(f")\nthe start leads out of the site, to {canary.url}/\n", text)
        self.assertEqual(canary.callers(), 0)

    # ---- what goes wrong ----

    def test_reports_each_fault_with_its_reason_and_referrers(self):
        server = self.nginx(
            """location = /e404 { return 404; }  location = /e500 { return 500; }  location = /dropped { return 444; }
               location = /e429 { return 429; }
               location = /loop1 { return 302 /loop2; }  location = /loop2 { return 302 /loop3; }
               location = /loop3 { return 302 /loop1; }  location = /nowhere { return 302 mailto:a@b.org; }
               location ~ ^/on(?<more>x*)$ { return 302 /on${more}x; }
               location = /slow { echo_sleep 30; echo late; }"""
        )
        server.page("index.html", "e404", "mid.html", "loop1", "nowhere", "on")
        server.page("mid.html", "e500", "e429", "dropped", "huge.html", "slow")
        server.page("huge.html", text="x" * 2_000_000)
        report = self.crawl(server.url + "/index.html", "--out", self.out, "--retries", 1, "--backoff", 0.01,
                            "--max-size", 1,
                            "--timeout", 0.5, status=1)
        reasons = self.reasons(report)
        loop = next(name for name in reasons if name.startswith("loop"))
        self.assertEqual(
            reasons.pop(loop), "redirect loop: " + " -> ".join(f"{server.url}/loop{i}" for i in (1, 2, 3)))
        self.assertRegex(reasons.pop("slow"), "timed out")
        self.assertEqual(reasons, {
            "e404": "404 Not Found", "e500": "500 Internal Server Error", "e429": "429 Too Many Requests",
            "dropped": "Empty reply from server", "huge.html": "larger than 1000000 bytes",
            "nowhere": 'redirect to "mailto:a@b.org", which is no web address',
            "onxxxxxxxxxx": "more than 10 redirects in a row"})
        chains = {error["url"]: error["referrers"] for error in report["error_list"]}
        self.assertEqual(chains[server.url + "/e500"], [server.url + "/mid.html", server.url + "/index.html"])
        asked = server.requests()
        self.assertEqual([asked["/" + name] for name in ("e404", "e500", "e429", "huge.html")], [1, 2, 2, 1])
        self.assertIn(asked["/dropped"], (2, 3, 4))  # libcurl repeats at once what a kept connection did not answer
        self.assertEqual(report["task_errors"], report["errors"])
        stored = self.rows("SELECT url, message, transient, errors.referrers FROM errors JOIN pages ON page = id")
        self.assertEqual({row[0]: row[1] for row in stored}, {e["url"]: e["reason"] for e in report["error_list"]})
        self.assertEqual({row[0].rsplit("/", 1)[1] for row in stored if row[2]}, {"e500", "e429", "dropped", "slow"})

    def test_survives_bodies_without_end_and_half_ones(self):
        def answer(handler, path):
            if path == "/":
                handler.say(200, crawl_site.links("endless", "half", "image", "bomb", "untyped"))
            elif path in ("/endless", "/image"):
                handler.send_response(200)
                handler.send_header("Content-Type", "text/html" if path == "/endless" else "image/png")
                handler.end_headers()
                handler.close_connection = True
                while True:
                    handler.wfile.write(b"<p>on and on " * 1000)
            elif path == "/half":
                handler.send_response(200)
                handler.send_header("Content-Type", "text/html")
                handler.send_header("Content-Length", "1000")
                handler.end_headers()
                handler.wfile.write(b"<a href='never'>")
                crawl_site.drop(handler)
            elif path == "/bomb":
                handler.say(200, gzip.compress(b"x" * 50_000_000), Content_Encoding="gzip")
            elif path == "/untyped":
                handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n<a href='never'>")
            else:
                handler.say(404)

        server = self.odd(answer)
        report = self.crawl(server.url, "--retries", 0, "--max-size", 1, status=1)
        reasons = self.reasons(report)
        self.assertRegex(reasons.pop("half"), "transfer closed with .* remaining")
        self.assertEqual(reasons, {"endless": "larger than 1000000 bytes", "bomb": "larger than 1000000 bytes"})
        self.assertNotIn("/never", server.paths())

    def test_tries_again_what_failed_for_the_moment(self):
        tries = {"/busy": [429, 503, 200], "/flaky": [500, 502, 200], "/dropping": [0, 0, 200], "/never": [500] * 4}
        lock = threading.Lock()

        def answer(handler, path):
            if path == "/":
                return handler.say(200, crawl_site.links(*tries))
            if path not in tries:
                return handler.say(404)
            with lock:
                status = tries[path].pop(0)
            if status == 0:
                return crawl_site.drop(handler)
            handler.say(status, "<title>here</title>", **({"Retry_After": "1"} if status == 429 else {}))

        server = self.odd(answer)
        report = self.crawl(server.url, "--out", self.out, "--backoff", 0.02, "--retries", 3, status=1)
        self.assertEqual(self.reasons(report), {"never": "500 Internal Server Error"})
        self.assertEqual(report["pages"], 4)
        self.assertIn(report["retries"], (8, 9))  # libcurl repeats at once what a kept connection did not answer
        first, second, _ = server.times("/busy")
        self.assertGreaterEqual(second - first, 1.0, "as long as the server asked for")

    def test_leaves_a_host_alone_that_asks_for_a_pause(self):
        busy = threading.Event()

        def answer(handler, path):
            if path == "/a" and not busy.is_set():
                busy.set()
                return handler.say(429, Retry_After="1")
            handler.say(200, crawl_site.links("a", "b", "c"))

        server = self.odd(answer)
        report = self.crawl(server.url, "--per-host", 1, "--backoff", 0.01)
        self.assertEqual(report["pages"], 4)
        asked = [(when, path) for when, path, _ in server.asked]
        refused = next(i for i, (_, path) in enumerate(asked) if path == "/a")
        self.assertEqual(len(asked) - refused, 4)
        self.assertGreaterEqual(asked[refused + 1][0] - asked[refused][0], 1.0, "nor is another page asked for")

    def test_asks_a_host_for_nothing_that_asks_for_too_long_a_pause(self):
        asks = {"/0"}

        def answer(handler, path):
            if path in asks:
                return handler.say(503, Retry_After="3600")
            handler.say(404 if path == "/robots.txt" else 200, crawl_site.links(*range(20)))

        server = self.odd(answer)
        report = self.crawl(server.url, "--out", self.out, "--per-host", 1, status=1)
        expected = {str(i): "not asked for after 503 Service Unavailable (Retry-After: 3600)" for i in range(1, 20)}
        self.assertEqual(self.reasons(report), {"0": "503 Service Unavailable", **expected})
        self.assertEqual(server.paths(), {"/robots.txt": 1, "/": 1, "/0": 1})
        asks.clear()
        report = self.crawl(server.url, "--out", self.out, "--resume")
        self.assertEqual((report["pages"], report["errors"]), (21, 0))

    def test_leaves_a_host_alone_also_after_the_last_try(self):
        def answer(handler, path):
            if path == "/a":
                return handler.say(429, Retry_After="1")
            handler.say(200, crawl_site.links("a", "b"))

        server = self.odd(answer)
        self.crawl(server.url, "--per-host", 1, "--retries", 0, "--backoff", 0.01, status=1)
        self.assertGreaterEqual(server.times("/b")[0] - server.times("/a")[0], 1.0, "as long as the server asked for")

    def test_tries_again_where_the_handshake_breaks(self):
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        greeted = []

        def hang_up():
            while True:
                try:
                    connection = listening.accept()[0]
                except OSError:
                    return
                with connection:
                    greeted.append(connection.recv(1))

        threading.Thread(target=hang_up, daemon=True).start()
        report = self.crawl(f"https://127.0.0.1:{listening.getsockname()[1]}/", "--retries", 2, "--backoff", 0.01,
                            status=1)
        self.assertRegex(self.reasons(report)[""], "^robots.txt cannot be had: ")
        self.assertEqual(len(greeted), 3)

    def test_refuses_unknown_certificates_and_accepts_a_given_one(self):
        certificate = crawl_site.self_signed(self.folder)
        server = self.nginx(certificate=certificate)
        server.page("index.html", "a.html")
        server.page("a.html")
        report = self.crawl(server.url + "/index.html", status=1)
        self.assertRegex(report["error_list"][0]["reason"],
                         "robots.txt cannot be had: .*self.signed certificate.*--ca FILE")
        self.assertFalse((server.folder / "access.log").read_text().strip())
        report = self.crawl(server.url + "/index.html", "--ca", certificate[0])
        self.assertEqual(report["pages"], 2)

    # ---- manners ----

    def test_obeys_robots_txt(self):
        server = self.nginx()
        server.page("index.html", "a/b.html", "a/open.html", "c.php", "c.php?x", "d.html")
        for name in ("a/b.html", "a/open.html", "d.html"):
            server.page(name)
        for text, expected in [
            ("User-agent: *\nDisallow: /a\nAllow: /a/open\nDisallow: /*.php$\n", {"a/open.html", "c.php?x", "d.html"}),
            ("User-agent: *\nDisallow: /\nUser-agent: coppice-crawl\nDisallow: /d\n",
             {"a/b.html", "a/open.html", "c.php", "c.php?x"}),
            ("", {"a/b.html", "a/open.html", "c.php", "c.php?x", "d.html"}),
        ]:
            (server.www / "robots.txt").write_text(text)
            self.out.unlink(missing_ok=True)
            report = self.crawl(server.url + "/index.html", "--out", self.out, status=1 if "c.php?x" in expected else 0)
            visited = {url.split("/", 3)[3] for url in self.visited()} - {"index.html"}
            self.assertEqual(visited, expected, text)
            self.assertEqual(report["disallowed"], 5 - len(expected))
        (server.www / "robots.txt").write_text("User-agent: *\nDisallow: /\n")
        self.assertEqual(self.crawl(server.url + "/index.html")["pages"], 0)
        self.assertEqual(self.crawl(server.url + "/index.html", "--ignore-robots", status=1)["pages"], 4)

    def test_reads_of_robots_txt_what_counts_whatever_the_size_of_a_page(self):
        group, kept = "User-agent: *\n", 500 * 1024
        last, late = "Disallow: /last\n", "Disallow: /late\n"
        filler = "#" * (kept - len(group) - len(last) - 1) + "\n"
        rules = group + filler + last + late + "#" * 100_000

        def answer(handler, path):
            handler.say(200, rules if path == "/robots.txt" else crawl_site.links("last", "late"), "text/html")

        server = self.odd(answer)
        report = self.crawl(server.url, "--max-size", 0.001)
        self.assertEqual((report["pages"], report["disallowed"]), (2, 1))
        self.assertEqual(set(server.paths()), {"/robots.txt", "/", "/late"})

    def test_without_a_robots_txt_that_can_be_had(self):
        answers = {"status": 404}

        def answer(handler, path):
            if path == "/robots.txt" and answers["status"] == 302:
                handler.say(302, Location="/rules")
            elif path == "/robots.txt" and answers["status"] == 301:
                handler.say(301)
            elif path == "/rules":
                handler.say(200, "User-agent: *\nDisallow: /a\n", "text/plain")
            elif path == "/robots.txt" and answers["status"] == 0:
                crawl_site.drop(handler)
            elif path == "/robots.txt":
                handler.say(answers["status"])
            else:
                handler.say(200, crawl_site.links("a"))

        server = self.odd(answer)
        options = ("--retries", 1, "--backoff", 0.01)
        for status, pages, left_out in [(404, 2, 0), (403, 2, 0), (302, 1, 1), (301, 2, 0)]:
            answers["status"] = status
            before = server.paths()
            report = self.crawl(server.url, *options)
            self.assertEqual((report["pages"], report["disallowed"]), (pages, left_out), status)
            self.assertEqual((server.paths() - before)["/robots.txt"], 1, status)
        for status, why in [(500, "500 Internal Server Error"), (0, "Empty reply from server")]:
            answers["status"] = status
            before = server.paths()
            report = self.crawl(server.url, *options, status=1)
            self.assertEqual(self.reasons(report), {"": "robots.txt cannot be had: " + why})
            self.assertEqual(server.paths() - before, {"/robots.txt": 2},
                             "nothing is asked for without knowing the rules")

    def test_keeps_its_limits_for_a_host(self):
        full = threading.Event()

        def answer(handler, path):
            if path in ("/", "/robots.txt"):
                return handler.say(200, crawl_site.links(*(f"p{i}" for i in range(40))))
            # Nobody is answered before there are as many as may be: so they do come, without a look at a clock.
            if handler.server.active >= 5:
                full.set()
            full.wait(20)
            handler.say(200)

        server = self.odd(answer)
        report = self.crawl(server.url, "--per-host", 5, "--concurrency", 30)
        self.assertEqual(report["pages"], 41)
        self.assertTrue(full.is_set())
        self.assertEqual(server.most, 5)

    def test_opens_as_many_connections_as_the_system_lets_it(self):
        full = threading.Event()

        def answer(handler, path):
            if path in ("/", "/robots.txt"):
                return handler.say(200, crawl_site.links(*(f"p{i}" for i in range(100))))
            if handler.server.active >= 100:
                full.set()
            full.wait(20)
            handler.say(200)

        server = self.odd(answer)
        few_for_now = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 1024))
        report = self.crawl(server.url, "--per-host", 100, "--concurrency", 100, "--retries", 0, preexec_fn=few_for_now)
        self.assertEqual((report["pages"], report["errors"]), (101, 0))
        self.assertEqual(server.most, 100)

    def test_of_many_hosts_keeps_no_more_connections_than_it_may_have(self):
        hosts = [f"h{i}.localhost" for i in range(100)]

        def answer(handler, path):
            port = handler.server.server_address[1]
            found = crawl_site.links(*(f"http://{host}:{port}/" for host in hosts))
            handler.say(404 if path == "/robots.txt" else 200, found)

        server = self.odd(answer)
        few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
        report = self.crawl(server.url.replace("127.0.0.1", "localhost"), "--subdomains", "--concurrency", 8,
                            "--retries", 0, preexec_fn=few)
        self.assertEqual((report["pages"], report["errors"]), (101, 0), report["error_list"][:1])

    def test_keeps_its_rate_and_the_crawl_delay(self):
        rules = {"text": ""}

        def answer(handler, path):
            handler.say(200, rules["text"] if path == "/robots.txt" else crawl_site.links("a", "b", "c", "d"))

        server = self.odd(answer)
        for text, options, least in [
            ("", ("--rate", 10), 0.1),
            ("User-agent: *\nCrawl-delay: 0.15\n", ("--rate", 1000), 0.15),
        ]:
            rules["text"] = text
            server.asked.clear()
            self.crawl(server.url, *options)
            when = [time for time, _, _ in server.asked]
            self.assertEqual(len(when), 6)
            # The first one is answered before the second one starts, and each start is kept apart from the one
            # before: what is late only adds.
            self.assertGreaterEqual(when[-1] - when[0], 5 * least)

    def test_introduces_itself_and_keeps_no_cookies(self):
        def answer(handler, path):
            handler.say(200, crawl_site.links("a", "b"), Set_Cookie="taste=sweet")

        server = self.odd(answer)
        self.crawl(server.url)
        for _, _, headers in server.asked:
            self.assertRegex(headers["User-Agent"], r"^coppice-crawl/\d")
            self.assertNotIn("Cookie", headers)
            self.assertIn("gzip", headers["Accept-Encoding"])
        server.asked.clear()
        self.crawl(server.url, "--user-agent", "mine/2 (me@example.org)")
        self.assertEqual({headers["User-Agent"] for _, _, headers in server.asked}, {"mine/2 (me@example.org)"})

    def test_reads_packed_pages(self):
        server = self.nginx("gzip on; gzip_min_length 1;")
        server.page("index.html", "a.html", text="x" * 5000)
        server.page("a.html")
        self.crawl(server.url + "/index.html", "--out", self.out)
        self.assertEqual(len(self.visited()), 2)
        self.assertEqual(self.rows("SELECT bytes FROM pages WHERE url LIKE '%/index.html'")[0][0],
                         (server.www / "index.html").stat().st_size)

    # ---- stopping and going on ----

    def slow_site(self, count=60):
        """A tree of pages, each of which can be held back."""
        go = threading.Event()
        go.set()

        def answer(handler, path):
            if path == "/robots.txt":
                return handler.say(404)
            number = int(path[1:] or 0)
            if number >= count // 2:
                go.wait(60)
            handler.say(200, crawl_site.links(*(str(n) for n in (2 * number + 1, 2 * number + 2) if n < count)))

        return self.odd(answer), go

    def start(self, *arguments):
        return subprocess.Popen([str(examples.PROGRAMS / "crawl"), *map(str, arguments)], env=LOCAL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=crawl_site.die_with_parent)

    def wait_until(self, condition):
        end = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), end, "it never came to that")
            time.sleep(0.005)

    def test_interrupted_reports_and_goes_on_later(self):
        server, go = self.slow_site()
        go.clear()
        with self.start(server.url, "--out", self.out, "--per-host", 4, "--json") as child:
            self.wait_until(lambda: server.active >= 4)
            child.send_signal(signal.SIGINT)
            report = json.loads(child.stdout.read().decode())
        self.assertEqual(child.returncode, 130)
        self.assertTrue(report["interrupted"])
        self.assertGreater(report["left"], 0)
        self.assertEqual(report["errors"], 0)
        finished = set(self.visited())
        self.assertEqual(report["pages"], len(finished))
        go.set()
        before = server.paths()
        report = self.crawl(server.url, "--out", self.out, "--resume")
        self.assertEqual((report["pages"], report["left"], report["interrupted"]), (60, 0, False))
        again = server.paths() - before
        self.assertEqual(set(self.visited()), {f"{server.url}/{i or ''}" for i in range(60)})
        self.assertFalse({url for url in finished if "/" + url.rsplit("/", 1)[1] in again}, "nothing was fetched twice")

    def test_ends_at_the_first_interrupt_before_there_is_a_crawl(self):
        server = self.nginx()
        server.page("index.html")
        start = server.url + "/index.html"
        self.crawl(start, "--out", self.out)
        for number in (signal.SIGINT, signal.SIGTERM):
            with sqlite3.connect(self.out, isolation_level=None) as connection:
                connection.execute("BEGIN IMMEDIATE")  # so that it waits
                with self.start(start, "--out", self.out, "--resume") as child:
                    self.wait_until(lambda: self.blocks(child, signal.SIGINT))
                    child.send_signal(number)
                    self.assertEqual((child.communicate(), child.returncode), ((b"", b""), 130))
                connection.execute("ROLLBACK")
            connection.close()

    @staticmethod
    def blocks(child, number):
        status = pathlib.Path(f"/proc/{child.pid}/status").read_text()
        blocked = re.search(r"(?m)^SigBlk:\s*(\w+)", status)
        return bool(blocked and int(blocked[1], 16) >> (number - 1) & 1)

    def test_ends_at_the_next_interrupt_while_nobody_reads_its_result(self):
        # More errors than fit into a pipe.
        found = crawl_site.links(*(f"{i}{'x' * 200}" for i in range(1000)))
        server = self.odd(lambda handler, path: handler.say(200 if path == "/" else 404, found))
        with self.start(server.url) as child:
            self.addCleanup(child.kill)
            child.stdout.read(1)
            child.send_signal(signal.SIGINT)
            self.assertEqual(child.wait(60), 130)

    def test_leaves_a_file_to_the_crawl_that_is_writing_it(self):
        server, go = self.slow_site()
        go.clear()
        with self.start(server.url, "--out", self.out) as child:
            self.wait_until(lambda: self.written() > 0)
            done = examples.run_any("crawl", server.url, "--out", str(self.out), "--resume", "--max-pages", "1",
                                    env=LOCAL)
            go.set()
            child.communicate()
        self.assertEqual((done.returncode, done.stderr.decode()), (1, f"crawl: another crawl is writing {self.out}\n"))
        self.assertEqual(child.returncode, 0)
        self.assertEqual(len(self.visited()), 60)

    def test_killed_goes_on_from_what_was_written(self):
        server, go = self.slow_site()
        go.clear()
        with self.start(server.url, "--out", self.out, "--per-host", 4) as child:
            self.wait_until(lambda: self.written() > 0)
            child.kill()
            child.communicate()
        go.set()
        self.crawl(server.url, "--out", self.out, "--resume")
        self.assertEqual(set(self.visited()), {f"{server.url}/{i or ''}" for i in range(60)})
        depths = self.visited()
        self.assertEqual([depths[f"{server.url}/{i}"] for i in (1, 3, 7, 15, 31)], [1, 2, 3, 4, 5])

    def written(self):
        try:
            with sqlite3.connect(f"file:{self.out}?mode=ro", uri=True) as connection:
                return connection.execute("SELECT count(*) FROM pages").fetchone()[0]
        except sqlite3.Error:
            return 0

    def test_resumed_tries_again_what_failed_for_the_moment(self):
        down = {"/b"}

        def answer(handler, path):
            if path in down:
                return handler.say(503)
            found = crawl_site.links("b", "gone") if path == "/" else crawl_site.links("c")
            handler.say(200 if path in ("/", "/b", "/c") else 404, found)

        server = self.odd(answer)
        report = self.crawl(server.url, "--out", self.out, "--retries", 0, status=1)
        self.assertEqual(self.reasons(report), {"b": "503 Service Unavailable", "gone": "404 Not Found"})
        down.clear()
        before = server.paths()
        report = self.crawl(server.url, "--out", self.out, "--resume", status=1)
        self.assertEqual(self.reasons(report), {"gone": "404 Not Found"})
        self.assertEqual(set(server.paths() - before), {"/robots.txt", "/b", "/c"})
        self.assertEqual(report["pages"], 3)
        self.assertEqual(self.rows("SELECT count(*) FROM errors"), [(1,)])

    def test_stops_at_so_many_pages_and_goes_on_with_more(self):
        server, _ = self.slow_site()
        report = self.crawl(server.url, "--out", self.out, "--max-pages", 20)
        self.assertEqual(report["pages"], 20)
        self.assertGreater(report["left"], 0)
        report = self.crawl(server.url, "--out", self.out, "--resume", "--max-pages", 25)
        self.assertEqual(report["pages"], 25)
        report = self.crawl(server.url, "--out", self.out, "--resume")
        self.assertEqual((report["pages"], report["left"]), (60, 0))
        self.assertEqual(max(count for path, count in server.paths().items() if path != "/robots.txt"), 1)

    def test_gives_up_when_the_disk_is_full(self):
        server, _ = self.slow_site(2000)

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

        done = subprocess.run([str(examples.PROGRAMS / "crawl"), server.url, "--out", str(self.out)], env=LOCAL,
                              check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=limit)
        self.assertEqual(done.returncode, 1, done)
        self.assertRegex(done.stderr.decode(), r"^crawl: .*out.sqlite: (database or disk is full|disk I/O error)")

    def test_gives_up_for_an_error_that_comes_after_more_errors_than_a_report_keeps(self):
        server = self.odd(lambda handler, path: handler.say(200 if path == "/" else 404, crawl_site.links(*range(300))))
        self.crawl(server.url, "--out", self.out, "--max-pages", 1)
        server.close()  # so each page that is left is an error
        self.change("CREATE TRIGGER refuse BEFORE INSERT ON pages WHEN NEW.url LIKE '%/150'"
                    " BEGIN SELECT RAISE(ABORT, 'not this one'); END")
        command = ("crawl", server.url, "--out", self.out, "--resume", "--retries", "0", "--workers")
        for workers in ("1", "4"):
            done = examples.run_any(*command, workers, env=LOCAL)
            self.assertEqual((done.returncode, done.stdout), (1, b""))
            self.assertRegex(done.stderr.decode(), "^crawl: the crawl was given up: writing to .*: not this one\n$")
        self.change("DROP TRIGGER refuse")
        report = self.crawl(server.url, "--out", self.out, "--resume", "--retries", 0, status=1)
        self.assertEqual((report["pages"], report["errors"]), (1, 300), "nothing is lost")

    # ---- what it prints ----

    def small_site(self):
        server = self.nginx("location = /moved { return 301 /gone.html; }")
        server.page("index.html", "a.html", "gone.html", "http://[no/", "http://elsewhere.example/")
        server.page("a.html", "b.html", "gone.html", "moved")
        server.page("b.html", "index.html", text="<img src=none.png>")
        return server

    def masked(self, text, server):
        return re.sub(r"\d+\.\d+ s\)", "TIME)", text.replace(server.url, "SITE"))

    def test_prints_its_result(self):
        server = self.small_site()
        text = self.text(server.url + "/index.html", "--per-host", 1, "--concurrency", 1, status=1)
        examples.compare(self.masked(text, server), "crawl")

    def test_checks_links(self):
        server = self.small_site()
        text = self.text(server.url + "/index.html", "--check", status=1)
        examples.compare(self.masked(text, server), "crawl_check")
        report = self.crawl(server.url + "/index.html", "--check", status=1)
        self.assertEqual([broken["target"].replace(server.url, "") for broken in report["broken"]],
                         ["/gone.html", "/moved", "/none.png", "http://[no/"])
        (server.www / "index.html").write_text("<a href='b.html'>")
        (server.www / "none.png").write_bytes(b"")
        text = self.text(server.url + "/index.html", "--check")
        self.assertRegex(text, r"^0 broken links in 3 pages")

    def test_checks_a_link_whose_redirects_are_too_many(self):
        server = self.nginx("location ~ ^/on(?<more>x*)$ { return 302 /on${more}x; }")
        server.page("index.html", "on")
        expected = {"target": server.url + "/on", "in": [server.url + "/index.html"],
                    "reason": f"redirect to {server.url}/onxxxxxxxxxx: more than 10 redirects in a row"}
        for again in ((), ("--resume",)):
            report = self.crawl(server.url + "/index.html", "--check", "--out", self.out, *again, status=1)
            self.assertEqual(report["broken"], [expected], again)

    def test_prints_json_of_a_site_that_links_to_a_host_that_is_no_text(self):
        found = crawl_site.links("http://%ff.localhost/")
        server = self.odd(lambda handler, path: handler.say(200 if path == "/" else 404, found))
        report = self.crawl(server.url.replace("127.0.0.1", "localhost"), "--subdomains", "--check", status=1)
        self.assertEqual([broken["target"] for broken in report["broken"]], ["http://%ff.localhost/"])

    def test_a_terminal_shows_progress_and_a_pipe_does_not(self):
        server = self.small_site()
        ours, theirs = pty.openpty()
        done = subprocess.run([examples.PROGRAMS / "crawl", server.url + "/index.html"], stdout=subprocess.PIPE,
                              stderr=theirs, check=False, env=LOCAL)
        os.close(theirs)
        shown = examples.read_terminal(ours)
        os.close(ours)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(shown, rb"^\r\x1b\[K\d+ pages, \d+ pages/s, \d+ in flight, \d+ waiting, \d+ errors?")
        self.assertTrue(shown.endswith(b"\r\x1b[K"), shown)
        self.assertEqual(examples.run_any("crawl", server.url + "/index.html", env=LOCAL).stderr, b"")

    def test_goes_on_without_a_terminal_that_is_lost(self):
        server, go = self.slow_site()
        go.clear()  # so that there is something left to do
        status, text = examples.run_and_lose_terminal("crawl", server.url, "--json", before=go.set, env=LOCAL)
        self.assertEqual(status, 0)
        self.assertEqual(json.loads(text)["pages"], 60)

    def test_says_what_it_cannot_do(self):
        self.out.write_bytes(b"")
        for arguments, message in [
            (("ftp://a/",), '"ftp://a/" is not a URL that can be crawled'),
            (("http://127.0.0.1:1/", "--out", self.out), "exists (go on with that crawl by --resume"),
            (("http://127.0.0.1:1/", "--out", self.folder / "new", "--resume"),
             "does not exist, so there is nothing to resume"),
            (("http://127.0.0.1:1/", "--out", "/nonexistent/x"),
             "opening /nonexistent/x: No such file or directory"),
            (("http://127.0.0.1:1/", "--out", self.out, "--resume"), f"{self.out} is no crawl of this program"),
        ]:
            done = examples.run_any("crawl", *map(str, arguments), env=LOCAL)
            self.assertEqual(done.returncode, 1)
            self.assertIn(message, done.stderr.decode())
        for arguments in [(), ("--per-host", "0", "http://a/"), ("--resume", "http://a/"),
                          ("--ca", "/nonexistent", "http://a/")]:
            self.assertEqual(examples.run("crawl", *arguments, status=2), "")
        self.assertEqual(self.out.read_bytes(), b"", "nor does it change that file")
        self.out.unlink()
        server = self.nginx()
        server.page("index.html")
        self.crawl(server.url + "/index.html", "--out", self.out)
        done = examples.run_any("crawl", server.url + "/other.html", "--out", str(self.out), "--resume", env=LOCAL)
        self.assertIn(f"that crawl began at {server.url}/index.html, not at", done.stderr.decode())
        with open("/dev/full", "wb") as full:
            done = subprocess.run([examples.PROGRAMS / "crawl", server.url + "/index.html"], env=LOCAL, check=False,
                                  stdout=full, stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stderr), (1, b"crawl: No space left on device\n"))
        self.assertIn("Usage: crawl", examples.run("crawl", "--help"))

    # ---- the demo ----

    def test_the_demo_crawls_a_folder_named_from_where_it_is_called(self):
        """In a repository of its own, whose setup has nothing to do and whose build gives it this crawl."""
        scripts = pathlib.Path(__file__).resolve().parents[2] / "scripts"
        for path, text in [("scripts/demo_crawl", (scripts / "demo_crawl").read_text()),
                           ("scripts/lib/common.sh", (scripts / "lib/common.sh").read_text()),
                           ("scripts/setup", "#!/bin/sh\n"),
                           ("bin/cmake", "#!/bin/sh\nmkdir -p build/release/examples\n"
                                         f"ln -sf '{examples.PROGRAMS}/crawl' build/release/examples/crawl\n")]:
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text)
            (self.folder / path).chmod(0o755)
        (self.folder / "caller/docs").mkdir(parents=True)
        # More errors than fit into a pipe that nobody reads any more.
        missing = crawl_site.links(*(f"missing{i}{'x' * 60}.html" for i in range(1000)))
        (self.folder / "caller/docs/index.html").write_text(missing)
        path = f"{self.folder}/bin:{LOCAL['PATH']}"
        done = subprocess.run([self.folder / "scripts/demo_crawl", "--latency", "0", "docs"], check=False,
                              cwd=self.folder / "caller", env={**LOCAL, "PATH": path}, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        text = done.stdout.decode()
        self.assertEqual(done.returncode, 0, text + done.stderr.decode())
        self.assertRegex(text, r"==== one request at a time ====\n1 page, .*\n\n==== 32 at a time ====\n1 page, ")
        self.assertIn("\n1000 broken links in 1 page (", text)

    def test_of_a_host_that_is_not_there_says_so(self):
        canary = crawl_site.Canary("127.0.0.1")
        canary.close()
        report = self.crawl(canary.url, "--retries", 1, "--backoff", 0.01, status=1)
        self.assertRegex(self.reasons(report)[""], "^robots.txt cannot be had: Failed to connect to 127.0.0.1 port")


if __name__ == "__main__":
    unittest.main()
