"""A dashboard of Flask and Dash under /dash/."""

import os
import socket

from dash import Dash, Input, Output, dcc, html
from flask import Flask

# ANCHOR: dash
server = Flask(__name__)
app = Dash(__name__, server=server, url_base_pathname="/dash/", title="Temperatures")
# ANCHOR_END: dash
CITIES = {"London": 11.5, "Oslo": 2.0, "Rome": 19.0}

app.layout = html.Div([
    html.H1("Temperatures"),
    dcc.Dropdown(id="city", options=list(CITIES), value="London"),
    html.P(id="answer"),
    dcc.Graph(id="chart", figure={"data": [{"type": "bar", "x": list(CITIES), "y": list(CITIES.values())}]}),
])


@app.callback(Output("answer", "children"), Input("city", "value"))
def answer(city):
    return f"{city} has {CITIES[city]} degrees"


@server.after_request
def pod(response):
    response.headers["X-Pod"] = os.environ.get("HOSTNAME", socket.gethostname())
    return response
