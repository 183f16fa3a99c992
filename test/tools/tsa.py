#!/usr/bin/env python3
"""A time stamp authority (RFC 3161, by HTTP) for as long as a command runs.

    tsa.py DIRECTORY COMMAND [ARGUMENT...]

DIRECTORY has what "openssl ts -reply" needs: tsa.cnf, with a section [tsa], tsa.crt,
tsa.key and ca.crt.  The command finds the address in the environment, as TSA; below it
are also those of authorities that fail: /error, /moved, and /endless.
"""

import http.server
import os
import subprocess
import sys
import threading

directory = sys.argv[1]
lock = threading.Lock()


class Authority(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/error":
            self.send_error(503)
        elif self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/endless":
            self.endless()
        elif self.headers["Content-Type"] != "application/timestamp-query":
            self.send_error(415)
        else:
            self.answer(request)

    def answer(self, request):
        with lock, open(os.path.join(directory, "request"), "wb") as out:
            out.write(request)
            out.flush()
            answer = subprocess.run(
                "openssl ts -reply -queryfile request -config tsa.cnf -section tsa"
                " -signer tsa.crt -inkey tsa.key -chain ca.crt".split(),
                cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
            ).stdout
        self.send_response(200)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def endless(self):
        """Until the other side has had enough."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        try:
            while True:
                self.wfile.write(b"1000\r\n" + b"\x30" * 4096 + b"\r\n")
        except OSError:
            pass

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Authority)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_address[1]}/"
sys.exit(subprocess.run(sys.argv[2:], env={**os.environ, "TSA": address}).returncode)
