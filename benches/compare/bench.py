"""Rounds: all contenders are up, and take turns; what one round disturbs, it disturbs for all."""
import sys

import contenders
from backends import Backend
from client import Load, Wrong, probe
from figures import Case
from lab import Lab


class Bench:
    """What a row works with. A row starts its contenders afresh, so that what it leaves behind harms no other."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.rounds = 2 if arguments.quick else arguments.rounds
        self.seconds = 1 if arguments.quick else arguments.seconds

    def __enter__(self):
        self.lab = Lab().__enter__()
        self.backend = Backend(self.lab)
        self.load = Load(self.lab)
        self.installed = contenders.installed(self.lab, self.arguments)
        return self

    def __exit__(self, *end):
        self.lab.__exit__(*end)

    def start(self, can="plain", without=(), **settings):
        """Starts all who can do it, and waits for the first right answer of each."""
        options = contenders.Options(access_log=self.arguments.access_log, **settings)
        chosen = [each for each in self.installed if can in each.can and each.name not in without]
        for each in chosen:
            each.run(self.lab, self.backend, options)
        for each in chosen:
            if "plain" in each.ports:
                probe(each, contenders.HOST, "plain", "/", self.lab.path("small"))
        return chosen

    def stop(self, running):
        for each in running:
            self.lab.stop(each.process)

    def take_turns(self, name, running, work, rounds=None):
        """`work(contender)` gives one sample. The first round warms up; who begins changes from round to round."""
        case = Case(name)
        running = list(running)
        names = [each.name for each in running]
        count = rounds or self.rounds
        for number in range(count + 1):
            print(f"\r  {name}: round {number}/{count} ", end="", file=sys.stderr, flush=True)
            turn = number % len(running)
            for each in running[turn:] + running[:turn]:
                try:
                    sample = work(each)
                except Wrong as wrong:
                    if each.name == "adit":
                        raise
                    # A peer that answers wrongly is out of this work, and the result says so.
                    case.samples.pop(each.name, None)
                    case.notes.append(str(wrong).splitlines()[0])
                    running.remove(each)
                    print(f"\n{wrong}", file=sys.stderr)
                    continue
                sample["rss_mb"] = each.resident() / 1e6
                if number:
                    case.add(each.name, sample)
        print(file=sys.stderr)
        case.samples = {name: case.samples[name] for name in names if name in case.samples}
        return case
