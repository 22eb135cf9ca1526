"""One of four backends is bad: slow, resetting or silent. Requests are to be answered within a second all the same."""
import socket, sys

from contenders import FOUR
from figures import Case, Check
from lab import HERE, LOAD_CORE, wait_until

RATE, LATE_US = 500, 1_000_000
BOUND = 0.1  # % of requests that may be late or fail


def listens(port):
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def faults(bench):
    seconds = 5 if bench.arguments.quick else 30
    cases, checks = [], []
    for behaviour in ["slow", "reset", "silent"]:
        case = Case(f"one of four {behaviour}")
        for number in range(1 if bench.arguments.quick else 3):
            print(f"\r  {case.name}: round {number + 1} ", end="", file=sys.stderr, flush=True)
            ports = tuple(bench.lab.port() for _ in range(4))
            four = [bench.lab.start(LOAD_CORE, sys.executable, HERE / "origin.py", port, behaviour if index == 3 else "good")
                    for index, port in enumerate(ports)]
            for port in ports:
                wait_until(f"backend on {port}", lambda: listens(port))
            running = bench.start("four", four=ports)
            for each in running:
                # Afresh each time: what matters is also how many requests it takes to find out.
                found = bench.load(each, host=FOUR, expect=bench.lab.path("small"), rate=RATE, connections=2048, seconds=seconds,
                                   timeout=5, tolerate=True)
                late = sum(count for us, count in found["histogram"] if us >= LATE_US)
                bad = found["failed"] + late
                if found["problem"]:
                    case.notes.append(f"{each.name}: {found['problem']}")
                case.add(each.name, {"% late or failed": 100 * bad / (found["requests"] + found["failed"]), "latency": found["histogram"]})
            bench.stop(running)
            for process in four:
                bench.lab.stop(process)
        print(file=sys.stderr)
        cases.append(case)
        checks.append(Check(f"{case.name}: ≤ {BOUND} % not answered within a second", case.values("adit", "% late or failed"), BOUND, "%"))
    return cases, checks
