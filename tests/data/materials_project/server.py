"""A server on loopback that speaks the part of the Materials Project's API which its client asks."""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

KEY = "k" * 8 + "0123456789abcdefABCDEFGH"
"""32 characters, as the client demands."""


class Server(ThreadingHTTPServer):
    """Serves summaries and thermodynamics.

    `faults` holds what happens to the next questions, one each: a status code, "cut" (the connection closes in the
    midst), "short" (fewer documents than asked for), "no meta", "not json", seconds as a float, or None for nothing.
    """

    daemon_threads = True

    def __init__(self, summaries, thermos, version="2026.11.1"):
        super().__init__(("127.0.0.1", 0), Handler)
        self.summaries, self.thermos, self.version = summaries, thermos, version
        self.faults, self.asked, self.errors, self.delay = [], [], [], 0.0
        self.gate = threading.Event()  # while it is not set, questions wait
        self.gate.set()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, request, client_address):
        """Keep what went wrong here; a client that hangs up is no news."""
        if not isinstance(sys.exception(), ConnectionError):
            self.errors.append(repr(sys.exception()))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_):
        pass

    def do_GET(self):
        address = urlsplit(self.path)
        given = {key: values[0] for key, values in parse_qs(address.query).items()}
        if address.path == "/heartbeat":
            version = {"db_version": self.server.version, "access_controlled_batch_ids": ["gnome_r2scan_statics"]}
            return self.reply(200, version | {"version": "0.87.3", "status": "OK"})
        self.server.asked.append((address.path, given))
        time.sleep(self.server.delay)
        self.server.gate.wait(120)
        fault = self.server.faults.pop(0) if self.server.faults else None
        if self.headers.get("x-api-key") != KEY:
            return self.reply(403, {"detail": f"Invalid authentication credentials {self.headers.get('x-api-key')}"})
        if isinstance(fault, int):
            return self.reply(fault, {"detail": f"fault {fault}; your key is {self.headers.get('x-api-key')}"})
        if isinstance(fault, float):
            time.sleep(fault)
        if fault == "not json":
            return self.send(200, b"<html>gateway</html>")
        if len(self.path) > 8192:
            return self.reply(414, {"detail": "414 Request-URI Too Large"})
        found = {"/materials/summary/": self.summary, "/materials/thermo/": self.thermo}.get(address.path)
        if found is None:
            return self.reply(404, {"detail": "no Route matched"})
        documents = found(given)
        total, start, limit = len(documents), int(given.get("_skip", 0)), int(given.get("_limit", 100))
        if "_page" in given:
            limit = int(given["_per_page"])
            start = (int(given["_page"]) - 1) * limit
        if limit > 1000:
            return self.reply(422, {"detail": [{"loc": ["query", "_limit"], "msg": "too large"}]})
        page = documents[start : start + limit]
        if fault == "short":
            page = page[: len(page) // 2]
        if "_fields" in given:
            kept = set(given["_fields"].split(","))
            page = [{key: value for key, value in document.items() if key in kept} for document in page]
        body = {"data": page, "meta": {"total_doc": total, "api_version": "0.87.3"}}
        if fault == "no meta":
            del body["meta"]
        content = json.dumps(body).encode()
        self.send(200, content, cut=fault == "cut")

    def summary(self, given):
        known = {
            "chemsys",
            "deprecated",
            "batch_id_not_eq",
            "_page",
            "_per_page",
            "_limit",
            "_skip",
            "_fields",
            "_sort_fields",
        }
        assert set(given) <= known, given
        found = [d for d in self.server.summaries if given.get("deprecated") != "False" or not d["deprecated"]]
        if "chemsys" in given:
            found = [d for d in found if d["chemsys"] in given["chemsys"].split(",")]
        if "batch_id_not_eq" in given:
            found = [d for d in found if (d.get("builder_meta") or {}).get("batch_id") != given["batch_id_not_eq"]]
        return sorted(found, key=lambda d: d["material_id"]) if "_sort_fields" in given else found

    def thermo(self, given):
        assert set(given) <= {"material_ids", "thermo_types", "_limit", "_skip", "_fields"}, given
        kind = given["thermo_types"].upper()  # the API writes r2SCAN
        ids = set(given["material_ids"].split(","))
        return [d for d in self.server.thermos if d["material_id"] in ids and d["thermo_type"].upper() == kind]

    def reply(self, status, body):
        self.send(status, json.dumps(body).encode())

    def send(self, status, content, cut=False):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self.wfile.flush()
            self.close_connection = True
