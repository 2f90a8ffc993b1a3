"""A model of a round on 10 to 10,000 workers, flat and along a tree: python3 benches/scaling.py

Prints the tables of docs/scaling.md, which says what of this is measured and what is assumed. The standard library is enough.
"""

import math
import random
import statistics

# Measured on one machine (docs/scaling.md): seconds and bytes.
CALL = 120e-6  # what whoever calls does for a call and its answer, beside their bytes
DRIVER_FIXED = 0.3e-3  # what the driver does in a round for any model: optimiser, bookkeeping, waking up
# Assumed: what the driver does for each partition, whose number is written into a request; bytes a second that one thread
# writes, reads, or adds to others of a message.
DRIVER_PARTITION = 0.03e-6
COPY = 1.0e9
# Assumed of a data centre: 10 Gbit/s at each machine, round trip 0.1 ms in the middle and now and then longer.
BANDWIDTH = 1.25e9
ROUND_TRIP, JITTER = 100e-6, 50e-6
SERVE = 200e-6  # what whoever is called does before it computes
THREADS = 8  # of a worker
STRAGGLING = 0.05  # a worker's computing takes this much longer, exponentially distributed: the others wait for it
MEMORY = 64e9  # of a worker

GB = 1e9
MODELS = {
    # Bytes of a row in memory, seconds of a thread for a row, coefficients, seconds of the driver for them.
    "28 features": (116, 20e-9, 29, 0.0),
    "637,000 features": (226, 387e-9, 637_412, 0.140),
}
DATA = (1 * GB, 100 * GB, 10_000 * GB)
WORKERS = (10, 30, 100, 300, 1_000, 3_000, 10_000)
PARTITIONS = (8 << 20, 64 << 20)  # bytes: up to 10 GB of rows, and above
ROUNDS = 15

# As driver/src/reduction/cost.rs decides.
HOP = 400e-6
FAN_OUTS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 64)
CLEARLY = 0.8
PARTITION_BYTES = 6


def subtrees(start, end, leaves):
    """How many complete subtrees of the merge tree over `leaves` the leaves [start, end) are."""
    if start >= end:
        return 0
    if end == leaves:
        end = 1 << max(leaves - 1, 1).bit_length()  # beyond the last leaf nothing is missing
    count = 0
    while start < end:
        size = start & -start or 1 << end.bit_length()
        while start + size > end:
            size >>= 1
        start, count = start + size, count + 1
    return count


class Worker:
    """A worker with those below it; it holds neighbouring leaves, and so do all of them together."""

    def __init__(self, first, last, workers, leaves, fan_out):
        self.start, end_own = first * leaves // workers, (first + 1) * leaves // workers
        self.end = last * leaves // workers
        self.own = (self.start, end_own)
        self.nodes = subtrees(self.start, self.end, leaves)
        self.below = grow(first + 1, last, workers, leaves, fan_out)


def grow(first, last, workers, leaves, fan_out):
    count = last - first
    groups = min(fan_out, count)
    bounds = [first + i * count // groups for i in range(groups + 1)] if groups else []
    return [Worker(a, b, workers, leaves, fan_out) for a, b in zip(bounds, bounds[1:])]


def estimate(branches, coefficients, partial):
    """Seconds, as the driver reckons them."""
    if not branches:
        return 0.0
    calls = sum(CALL + (coefficients + PARTITION_BYTES * (b.end - b.start) + partial * b.nodes) / BANDWIDTH for b in branches)
    return HOP + calls + max(estimate(b.below, coefficients, partial) for b in branches)


def ask(branches, start, model, chance):
    """When a caller that starts to ask at `start` has all answers of `branches`, merged."""
    _, _, width, _ = model
    size, now, coming = 8 * width, start, []
    for branch in branches:
        request = size + PARTITION_BYTES * (branch.end - branch.start)
        now += CALL / 2 + request * (1 / BANDWIDTH + 1 / COPY)
        there = now + ROUND_TRIP / 2 + chance.expovariate(1 / JITTER)
        coming.append((answer(branch, there, model, chance) + ROUND_TRIP / 2 + chance.expovariate(1 / JITTER), branch.nodes))
    # One after the other, as they come; the last bytes of all have to be read and added.
    for at, nodes in sorted(coming):
        now = max(now, at) + CALL / 2 + nodes * size * (1 / BANDWIDTH + 2 / COPY)
    return now


def answer(branch, start, model, chance):
    """When the answer of a branch that was asked at `start` leaves it."""
    computed = start + SERVE + branch.computing * (1 + chance.expovariate(1 / STRAGGLING))
    merged = ask(branch.below, start + SERVE, model, chance) if branch.below else 0.0
    return max(computed, merged) + branch.nodes * 8 * model[2] / COPY


def set_computing(branches, seconds_a_leaf):
    for branch in branches:
        branch.computing = (branch.own[1] - branch.own[0]) * seconds_a_leaf
        set_computing(branch.below, seconds_a_leaf)


def rounds(branches, model, leaves, chance):
    driver = DRIVER_FIXED + DRIVER_PARTITION * leaves + model[3]
    return statistics.median(driver + ask(branches, 0.0, model, chance) for _ in range(ROUNDS))


def seconds(value):
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"


def table(name, data):
    row_bytes, row_seconds, width, _ = model = MODELS[name]
    partition = PARTITIONS[data > 10 * GB]
    leaves = math.ceil(data / partition)
    seconds_a_leaf = partition / row_bytes * row_seconds / THREADS
    print(f"\n{name}, {data / GB:,.0f} GB of rows, {leaves:,} partitions\n")
    print("| workers | computing | flat | tree | fan-out, levels | chosen | chosen ÷ computing |")
    print("|---|---|---|---|---|---|---|")
    for workers in WORKERS:
        if workers > leaves or data / workers > MEMORY:
            continue
        chance = random.Random(workers)
        flat = grow(0, workers, workers, leaves, workers)
        trees = [(f, grow(0, workers, workers, leaves, f)) for f in FAN_OUTS if f < workers]
        estimates = [(estimate(tree, 8 * width, 8 * width + 64), f, tree) for f, tree in trees]
        least, fan_out, tree = min(estimates, key=lambda one: one[:2])
        chosen = "tree" if least < CLEARLY * estimate(flat, 8 * width, 8 * width + 64) else "flat"
        times = {}
        for way, branches in (("flat", flat), ("tree", tree)):
            set_computing(branches, seconds_a_leaf)
            times[way] = rounds(branches, model, leaves, chance)
        levels = lambda branches: 1 + max(levels(b.below) for b in branches) if branches else 0  # noqa: E731
        computing = leaves / workers * seconds_a_leaf
        print(
            f"| {workers:,} | {seconds(computing)} | {seconds(times['flat'])} | {seconds(times['tree'])} | {fan_out}, {levels(tree)} "
            f"| {chosen} | {times[chosen] / computing:.2f} |"
        )


if __name__ == "__main__":
    for name in MODELS:
        for data in DATA:
            table(name, data)
