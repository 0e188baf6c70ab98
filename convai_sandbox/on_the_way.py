"""What becomes of an answer on its way, after the call was done: proxies, and broken ones."""

from __future__ import annotations

import gzip
from dataclasses import replace

from .answers import Answer, json_answer

EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
# An answer that nobody has asked for: who hands this token to a learner has read it as one.
SURPLUS = json_answer(200, {"apiAuthToken": "token-of-nobody"}).body
SURPLUS = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(SURPLUS), SURPLUS)
PROXY_503 = b"<html><h1>503 Service Temporarily Unavailable</h1></html>"


def on_the_way(fault: str, answer: Answer) -> Answer:
    """Return what arrives of the answer; the answer itself when ``fault`` is no name of that."""
    if fault == "early_hints":
        return replace(answer, before=EARLY_HINTS, outcome=fault)
    if fault == "surplus":
        return replace(answer, after=SURPLUS, outcome=fault)
    if fault == "http_1_0":
        return replace(answer, version="HTTP/1.0", outcome=fault)
    if fault == "proxy_503":
        return Answer(503, PROXY_503, "text/html", outcome=fault)
    more = {
        "two_lengths": ("Content-Length", str(len(answer.body) + 7)),
        "gzip": ("Content-Encoding", "gzip"),
    }
    if fault not in more:
        return answer
    body = gzip.compress(answer.body) if fault == "gzip" else answer.body
    return replace(answer, body=body, headers=(*answer.headers, more[fault]), outcome=fault)
