"""Notes each request that it is called for, then reads its body."""
import os


def app(environ, start_response):
    target = environ.get("REQUEST_URI") or environ.get("RAW_URI") or environ.get("PATH_INFO", "")
    with open(os.environ["SEEN"], "a", encoding="latin-1") as seen:
        seen.write(environ["REQUEST_METHOD"] + " " + target + "\n")
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
