"""What was measured, as tables: on the terminal, and in RESULTS.md with what is kept by hand."""
import os, platform, re
from pathlib import Path

COLUMNS = [("cpu_us", "CPU µs", 2), ("to nginx", "× nginx", 2), ("to relay", "× relay", 2), ("per_second", "per second", 0),
           ("p50", "p50 ms", 2), ("p99", "p99 ms", 2), ("p99.9", "p99.9 ms", 2), ("rss_mb", "RSS MB", 1)]


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    control = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    return f"{os.cpu_count()} × {model.group(1) if model else platform.machine()}, Linux {platform.release()}, TCP {control}"


def number(value, digits):
    return "–" if value is None else f"{value:,.{digits}f}"


def columns(case):
    """The usual ones that it has, then its own."""
    keys = {key for line in case["contenders"].values() for key in line}
    usual = [column for column in COLUMNS if column[0] in keys]
    return usual + [(key, key, 2) for key in sorted(keys) if " " in key and not key.startswith("to ")]


def table(case):
    shown = columns(case)
    lines = [[case["name"], *(title for _, title, _ in shown)]]
    for name, line in case["contenders"].items():
        lines.append([name, *(number(line.get(key), digits) for key, _, digits in shown)])
    return lines


def check_line(check):
    mark = "held" if check["held"] else "OPEN"
    unit = check["unit"]
    space = "" if unit == "×" else " "
    show = lambda value: f"{value:.3g}"
    return [mark, check["what"], f"{show(check['median'])}{space}{unit}", f"{show(check['low'])}–{show(check['high'])}"]


def aligned(lines):
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    return "\n".join("  " + "  ".join(cell.ljust(width) if index == 0 else cell.rjust(width)
                                      for index, (cell, width) in enumerate(zip(line, widths))) for line in lines)


def row(key, result):
    """One row for the terminal."""
    parts = [f"\nrow {key}: {result['title']}"]
    for case in result["cases"]:
        parts += [aligned(table(case)), *(f"  ({note})" for note in case["notes"])]
    if result["checks"]:
        parts.append(aligned([check_line(check) for check in result["checks"]]))
    return "\n".join(parts)


def markdown(lines):
    rule = ["---"] + ["---:"] * (len(lines[0]) - 1)
    return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], rule, *lines[1:]])


def explanations():
    """OPEN.md, kept by hand: `## row` and why it is open, what was tried, what is next."""
    parts = re.split(r"^## (.+)$", (Path(__file__).parent / "OPEN.md").read_text(), flags=re.M)
    return {key.strip(): text.strip() for key, text in zip(parts[1::2], parts[2::2])}


def order(key):
    return int(key.split()[0]), key


def write(results, directory):
    """RESULTS.md and the plot, of all rows that the JSON file has."""
    import plot
    why = explanations()
    keys = sorted(results, key=order)
    parts = ["# Results\n",
             "<!-- Written by `benches/compare/run --write`; what explains the open rows is kept in benches/compare/OPEN.md. -->\n",
             "What a request costs in adit beside its peers: one thread each on core 0, load and backend on core 1, all in turns, every "
             "answer checked. Ratios are medians of the ratios within a round; a bound is held when the whole 95 % interval of its "
             "ratio (bootstrap over the rounds) lies below it. `relay` moves bytes and reads none: it is the floor that the kernel sets. "
             "Latencies are at a fixed rate and count from when a request was due.\n",
             "![CPU per request as a multiple of nginx's](results.svg)\n"]
    overview = [["row", "work", "bounds held", "measured", "rounds"]]
    for key in keys:
        checks = results[key]["checks"]
        held = sum(check["held"] for check in checks)
        overview.append([key, results[key]["title"], f"{held} of {len(checks)}", results[key]["date"], str(results[key]["rounds"])])
    parts.append(markdown(overview) + "\n")
    for key in keys:
        result = results[key]
        parts.append(f"## Row {key}: {result['title']}\n")
        for case in result["cases"]:
            parts.append(markdown(table(case)) + "\n")
            parts += [f"Left out: {note}\n" for note in case["notes"]]
        if result["checks"]:
            lines = [check_line(check) for check in result["checks"]]
            parts.append(markdown([["", "bound", "median", "95 % interval"], *lines]) + "\n")
        if key in why:
            parts.append(why[key] + "\n")
        versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
        parts.append(f"<sub>{result['date']}, {result['machine']}; {versions}; {result['rounds']} rounds of {result['seconds']:g} s; "
                     f"`benches/compare/run {result['command']}`</sub>\n")
    (directory / "RESULTS.md").write_text("\n".join(parts))
    (directory / "results.svg").write_text(plot.svg([(key, results[key]) for key in keys]))
