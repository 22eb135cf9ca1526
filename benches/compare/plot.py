"""The plot: for each piece of work a line, on it each contender where its CPU per request is as a multiple of nginx's."""
import math
from html import escape

COLOURS = {"adit": "#d1495b", "relay": "#9aa0a6", "nginx": "#2e7d32", "haproxy": "#1565c0", "caddy": "#ef8c00", "traefik": "#00acc1",
           "traefik fastProxy": "#6a4c93", "envoy": "#ad1457", "agentgateway": "#795548",
           "rustls alone": "#212121"}
LEFT, WIDTH, LINE, TOP = 320, 640, 26, 70
TICKS = [0.25, 0.35, 0.5, 0.7, 1, 1.5, 2, 3, 4, 6, 8, 12]


def svg(results):
    lines = [(f"{key.split()[0]}  {result['title']}" if not index else "", case) for key, result in results if " " not in key
             for index, case in enumerate(case for case in result["cases"] if any("to nginx" in line for line in case["contenders"].values()))]
    values = [line["to nginx"] for _, case in lines for line in case["contenders"].values() if "to nginx" in line] or [1]
    low, high = math.log(min(0.7, *values) * 0.95), math.log(max(1.5, *values) * 1.05)
    across = lambda ratio: LEFT + WIDTH * (math.log(ratio) - low) / (high - low)
    names = [name for name in COLOURS if any(name in case["contenders"] for _, case in lines)]
    height = TOP + sum(LINE * (2 if title else 1) for title, _ in lines) + 30
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 30} {height}" font-family="system-ui, sans-serif" font-size="13">',
           '<rect width="100%" height="100%" fill="#fff"/>',
           '<text x="16" y="24" font-size="16" font-weight="600">CPU per request, nginx = 1 (further left is cheaper)</text>']
    x = 16
    for name in names:
        out.append(f'<circle cx="{x + 5}" cy="44" r="5" fill="{COLOURS[name]}"/><text x="{x + 15}" y="48">{escape(name)}</text>')
        x += 34 + 7.5 * len(name)
    for tick in TICKS:
        if low <= math.log(tick) <= high:
            strong = 'stroke="#555"' if tick == 1 else 'stroke="#ddd"'
            out.append(f'<line x1="{across(tick):.1f}" x2="{across(tick):.1f}" y1="{TOP - 8}" y2="{height - 28}" {strong}/>'
                       f'<text x="{across(tick):.1f}" y="{height - 10}" text-anchor="middle" fill="#555">{tick:g}×</text>')
    y = TOP
    for title, case in lines:
        if title:
            y += LINE
            out.append(f'<text x="16" y="{y - 6}" font-weight="600">{escape(title)}</text>')
        y += LINE
        out.append(f'<text x="{LEFT - 14}" y="{y - 6}" text-anchor="end" fill="#333">{escape(case["name"])}</text>'
                   f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y - 10}" y2="{y - 10}" stroke="#eee"/>')
        for name in sorted(case["contenders"], key=lambda name: name == "adit"):  # adit on top
            ratio = case["contenders"][name].get("to nginx")
            if ratio:
                out.append(f'<circle cx="{across(ratio):.1f}" cy="{y - 10}" r="{7 if name == "adit" else 5}" fill="{COLOURS.get(name, "#000")}" '
                           f'fill-opacity="0.9"><title>{escape(name)}: {ratio:.2f} × nginx</title></circle>')
    return "\n".join([*out, "</svg>", ""])
