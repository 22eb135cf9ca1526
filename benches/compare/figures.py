"""From samples to verdicts: ratios within a round, and how sure their median is."""
import random, statistics

RESAMPLED = 4000


def interval(values):
    """The median, and the 95 % interval of it: what the medians of resampled rounds say."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    dice = random.Random(1)
    medians = sorted(statistics.median(dice.choices(values, k=len(values))) for _ in range(RESAMPLED))
    return statistics.median(values), medians[int(RESAMPLED * 0.025)], medians[int(RESAMPLED * 0.975)]


class Case:
    """One piece of work, done by every contender in every round."""

    def __init__(self, name):
        self.name, self.samples, self.notes = name, {}, []

    def add(self, contender, sample):
        self.samples.setdefault(contender, []).append(sample)

    def values(self, contender, key):
        return [sample[key] for sample in self.samples.get(contender, []) if key in sample]

    def median(self, contender, key):
        values = self.values(contender, key)
        return statistics.median(values) if values else None

    def summary(self):
        """What the tables show: medians, the ratio to nginx and relay, latencies over all rounds."""
        from client import quantiles
        found = {}
        for name, samples in self.samples.items():
            keys = sorted({key for sample in samples for key, value in sample.items() if isinstance(value, (int, float))})
            line = {key: self.median(name, key) for key in keys}
            for peer in ["nginx", "relay"]:
                if peer in self.samples and "cpu_us" in line:
                    line[f"to {peer}"] = statistics.median(a / b for a, b in zip(self.values(name, "cpu_us"), self.values(peer, "cpu_us")))
            histogram = {}
            for sample in samples:
                for us, count in sample.get("latency", []):
                    histogram[us] = histogram.get(us, 0) + count
            found[name] = line | (quantiles(histogram.items()) if histogram else {})
        return found


class Check:
    """A bound. It is held when the whole interval lies below it."""

    def __init__(self, what, values, bound, unit=""):
        self.what, self.values, self.bound, self.unit = what, list(values), bound, unit
        self.median, self.low, self.high = interval(self.values)
        self.held = self.high <= bound

    def summary(self):
        return {key: getattr(self, key) for key in ["what", "values", "bound", "unit", "median", "low", "high", "held"]}


def against(case, peer, bound, key="cpu_us", what="CPU"):
    """adit's figure as a multiple of a peer's in the same round; nothing where the peer was not measured."""
    pairs = list(zip(case.values("adit", key), case.values(peer, key)))
    if not pairs:
        return []
    return [Check(f"{case.name}: {what} ≤ {bound:g} × {peer}", [ours / theirs for ours, theirs in pairs], bound, "×")]


def best(case, bound, peers, key="cpu_us"):
    """Against the best peer of each row: the one with the lowest median."""
    present = [peer for peer in peers if case.values(peer, key)]
    if not present:
        return []
    return against(case, min(present, key=lambda peer: case.median(peer, key)), bound, key)


PEERS = ["nginx", "haproxy", "caddy", "traefik", "traefik fastProxy", "envoy", "agentgateway"]
