"""What the bridge is compared with: the same Flask and gunicorn, answering 200 without doing anything.

Started as `python -m benchmarks.bridge.peer PORT`.
"""

import sys

from flask import Flask, Response, jsonify, request

from remedy.web.serve import Listen, serve


class Idle:
    """A service that reads the body and says yes."""

    def __init__(self) -> None:
        self.wsgi = Flask(__name__)
        self.wsgi.add_url_rule("/webhook", view_func=self._yes, methods=["POST"])
        self.wsgi.add_url_rule("/-/ready", view_func=self._yes)

    def start(self) -> None:
        """Do nothing."""

    reload = stop = start

    @staticmethod
    def _yes() -> Response:
        request.get_data(cache=False)
        return jsonify({"accepted": 1, "duplicates": 0, "resolved": 0, "malformed": 0})


if __name__ == "__main__":
    serve(Idle, Listen(bind=(f"127.0.0.1:{sys.argv[1]}",)))
