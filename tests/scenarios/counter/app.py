"""A store of JSON by path, and a page that counts its visits. Both are in Redis."""

import json
import os

import redis
from flask import Flask, jsonify, request

app = Flask(__name__)
app.url_map.merge_slashes = False
store = redis.Redis(host=os.environ.get("REDIS_HOST", "redis"))


def key():
    """The path as it came, before anything has decoded it."""
    return request.environ["REQUEST_URI"]


@app.get("/")
def visits():
    return jsonify(visits=store.incr("visits"))


@app.put("/<path:_>")
def put(_):
    store.set(key(), json.dumps(request.get_json()))
    return jsonify(request.get_json()), 201


@app.get("/<path:_>")
def get(_):
    value = store.get(key())
    return jsonify(json.loads(value)) if value else (jsonify(error="nothing is here"), 404)


if __name__ == "__main__":
    # One thread: Flask's server then speaks HTTP/1.0.
    app.run(host="0.0.0.0", port=5000, threaded=os.environ.get("THREADED") == "yes")
