"""Rookery beside its peers; prints Markdown. See README.md."""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
VENVS = {
    "main": "numpy scipy pyarrow polars scikit-learn==1.9.1 glum==3.4.1 liblinear-official==2.50.0 pyspark==4.3.0",
    "intel": "numpy scipy pyarrow polars scikit-learn scikit-learn-intelex",
}
STRENGTH = {"clicks": 1e-5}
DENSE = ["glum irls-ls, 32 bits", "glum irls-ls", "scikit-learn newton-cholesky", "sklearnex lbfgs, 32 bits", "scikit-learn lbfgs", "Spark MLlib"]
WHO = {
    "higgs100k": DENSE,
    "higgs1m": DENSE,
    "higgs5m": ["glum irls-ls, 32 bits", "glum irls-ls", "scikit-learn newton-cholesky", "Spark MLlib"],
    "multi": ["sklearnex lbfgs, 32 bits", "scikit-learn lbfgs, 32 bits", "Spark MLlib"],
    "clicks": ["liblinear", "scikit-learn lbfgs, 32 bits"],
}
SETTINGS = ['solver = "auto"\ntol = 1e-6', 'solver = "auto"\ntol = 1e-7', 'solver = "auto"\ntol = 1e-9\nmax_iter = 300']
GAPS = (1e-4, 1e-6)
LIMIT = 900


def python(cache, venv):
    folder = cache / f"venv-{venv}"
    if not (folder / "made").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "-q", *VENVS[venv].split()], check=True)
        (folder / "made").touch()
    return folder / "bin/python"


def peer(cache, who, venv, data, file, name, threads):
    command = [python(cache, venv), HERE / "measure.py", who, data / f"{name}.parquet", data / file, str(STRENGTH.get(name, 1e-4)), str(threads), name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return {"who": who, "failed": f"no answer within {LIMIT} s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"who"')]
    return json.loads(lines[-1]) if lines else {"who": who, "failed": done.stderr.strip().splitlines()[-1:]}


def ours(binary, work, data, file, name, settings, workers, threads):
    """A job of ours for each setting; what a peer's line has, and what only ours has, by the first of them."""
    import pyarrow.parquet
    import rookery
    from objective import objective

    names = pyarrow.parquet.read_schema(data / f"{name}.parquet").names
    strength = STRENGTH.get(name, 1e-4)
    line = {"who": "Rookery", "version": subprocess.run([binary, "--version"], capture_output=True, text=True).stdout.split()[-1], "fits": []}
    for setting in settings:
        shutil.rmtree(work, ignore_errors=True)
        text = rookery.job(data / file, names, strength, [setting], "8 MiB")
        events, seconds, memory = rookery.run(binary, work, text, workers, threads)
        took = rookery.phases(events)
        begun = next(event["at"] for event in events if event["event"] == "phase_started")
        finished = next(event for event in events if event["event"] == "run_finished")
        reached = finished["loss"]
        if not any(column.startswith("c") for column in names):
            coefficients, intercepts = rookery.coefficients_of(work, finished["run_id"])
            reached = objective(data / f"{name}.parquet", coefficients, intercepts, strength)
        train = sum(s for phase, s in took if phase == "train")
        line["fits"].append({"setting": setting, "seconds": train, "objective": reached, "iterations": finished["iterations"]})
        line.setdefault("read", sum(s for phase, s in took if phase in ("materialize", "fit_stages", "build_blocks")))
        for key, value in {"job": finished["at"] - begun, "process": seconds, "memory": memory, "phases": took}.items():
            line.setdefault(key, value)
    return line


def swept(binary, work, data, name, settings, workers):
    """One job of ours with a run for each setting: seconds of its rounds, and of the whole."""
    import pyarrow.parquet
    import rookery

    names = pyarrow.parquet.read_schema(data / f"{name}.parquet").names
    shutil.rmtree(work, ignore_errors=True)
    text = rookery.job(data / f"{name}.parquet", names, STRENGTH.get(name, 1e-4), settings, "8 MiB")
    events, _, _ = rookery.run(binary, work, text, workers, 1)
    begun = next(event["at"] for event in events if event["event"] == "phase_started")
    ended = [event["at"] for event in events if event["event"] == "run_finished"][-1]
    return sum(s for phase, s in rookery.phases(events) if phase == "train"), ended - begun


def best(line, gap, least):
    times = [fit["seconds"] for fit in line["fits"] if (fit["objective"] - least) / least <= gap]
    return min(times, default=None)


def read_once(path):
    """Puts a file into the page cache: whoever reads first would wait for the disk, and the others would not."""
    with path.open("rb") as file:
        while file.read(1 << 24):
            pass


def compare(arguments, name):
    data, threads = arguments.cache / "data", arguments.threads
    work = arguments.cache / "work"
    lines = {}
    for file in (f"{name}.parquet", f"{name}.csv"):
        read_once(data / file)
    for turn in range(arguments.turns):
        for file in (f"{name}.parquet", f"{name}.csv"):
            kind = file.rsplit(".", 1)[1]
            line = ours(arguments.binary, work, data, file, name, SETTINGS if kind == "parquet" else SETTINGS[:1], threads, 1)
            lines.setdefault(("Rookery", kind), []).append(line)
            for who in (who for who in WHO[name] if not arguments.who or who in arguments.who):
                venv = "intel" if who.startswith("sklearnex") else "main"
                if kind == "csv" and who.startswith(("scikit-learn lbfgs", "Spark")) and turn > 0:
                    continue
                line = peer(arguments.cache, who, venv, data, file, name, threads)
                lines.setdefault((who, kind), []).append(line)
                print(f"# {name} {kind} turn {turn + 1}: {json.dumps(line)[:300]}", file=sys.stderr)
    report(name, lines)


def report(name, lines):
    good = [line for several in lines.values() for line in several if "fits" in line]
    reached = sorted((fit["objective"], line["who"]) for line in good for fit in line["fits"])
    least = reached[0][0]
    confirmed = {who for value, who in reached if (value - least) / least < 1e-8}
    print(f"\n### {name}: least objective {least:.10f}, reached by {', '.join(sorted(confirmed))}\n")
    print("| who | version | Parquet → memory, s | CSV → memory, s | fit to 1e-4, s | fit to 1e-6, s | Parquet → model, s | CSV → model, s | memory, MB | fit ÷ Rookery | Parquet → model ÷ Rookery | CSV → model ÷ Rookery |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    rows = {}
    for who in dict.fromkeys(who for who, _ in lines):
        parquet, csv = (
            [line for line in lines.get((who, kind), []) if "fits" in line] for kind in ("parquet", "csv")
        )
        if not parquet:
            print(f"| {who} | {lines[(who, 'parquet')][0].get('failed')} |" + " – |" * 10)
            continue
        middle = lambda values: statistics.median(values) if (values := [v for v in values if v is not None]) else None  # noqa: E731
        fits = [middle(best(line, gap, least) for line in parquet) for gap in GAPS]
        read = [middle(line["read"] for line in several) for several in (parquet, csv)]
        jobs = [
            middle(line.get("job") or (b and line["read"] + b) for line in several if (b := best(line, GAPS[1], least)) or "job" in line)
            for several in (parquet, csv)
        ]
        rows[who] = (parquet[0]["version"], read, fits, jobs, max(line["memory"] for line in parquet + csv) / 1e6)
    for who, (version, read, fits, jobs, memory) in rows.items():
        mine = rows["Rookery"]
        text = lambda value: "–" if value is None else f"{value:.3f}"  # noqa: E731
        times = lambda value, own: "–" if value is None or not own else f"{value / own:.1f} ×"  # noqa: E731
        print(
            f"| {who} | {version} | {text(read[0])} | {text(read[1])} | {text(fits[0])} | {text(fits[1])} | {text(jobs[0])} | {text(jobs[1])} "
            f"| {memory:.0f} | {times(fits[1], mine[2][1])} | {times(jobs[0], mine[3][0])} | {times(jobs[1], mine[3][1])} |"
        )
    first = lines[("Rookery", "parquet")][0]
    print(f"\nRookery's phases, s: {', '.join(f'{phase} {s:.3f}' for phase, s in first['phases'])}.")
    print(f"Iterations: {', '.join(str(fit['iterations']) for fit in first['fits'])}.")


def own(arguments):
    """What has no peer: a round, a sweep, one worker and two."""
    data, work, binary = arguments.cache / "data", arguments.cache / "work", arguments.binary
    turns = range(arguments.turns)
    run = lambda name, settings, workers: ours(binary, work, data, f"{name}.parquet", name, settings, workers, 1)  # noqa: E731
    rounds = []
    for _ in turns:
        fit = run("higgs1k", ['solver = "lbfgs"\ntol = 0\nmax_iter = 200'], 2)["fits"][0]
        rounds.append(fit["seconds"] / fit["iterations"] * 1e3)
    print(f"\nAn iteration at 1,000 rows, 2 workers: {statistics.median(rounds):.3f} ms (rounds are no longer).")
    sweep = [f'solver = "auto"\ntol = 1e-6\nreg_param = {10 ** (k / 3 - 6):.3e}' for k in range(16)]
    ratios = []
    for _ in turns:
        one, many = (swept(binary, work, data, "higgs1m", settings, 2) for settings in (SETTINGS[:1], sweep))
        ratios.append([many[k] / one[k] for k in (0, 1)])
    fit, job = (statistics.median(ratio[k] for ratio in ratios) for k in (0, 1))
    print(f"16 runs of one job ÷ one run: the rounds {fit:.1f}, the whole job {job:.1f}.")
    ratios = []
    for _ in turns:
        steps = ['solver = "lbfgs"\ntol = 0\nmax_iter = 20']
        one, two = (run("higgs5m", steps, workers)["fits"][0]["seconds"] for workers in (1, 2))
        ratios.append(one / two)
    print(f"Rounds on 5 M rows, 2 single-thread workers against 1: {statistics.median(ratios):.2f} ×.")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=["higgs1m", "higgs5m", "multi", "clicks", "own"])
    parser.add_argument("--who", nargs="*", help="only these peers")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    arguments.binary, arguments.cache = arguments.binary.resolve(), arguments.cache.expanduser().resolve()
    interpreter = python(arguments.cache, "main")
    if Path(sys.prefix).resolve() != interpreter.parent.parent.resolve():
        os.execv(interpreter, [str(interpreter), str(HERE / "run.py"), *sys.argv[1:]])
    data = arguments.cache / "data"
    data.mkdir(parents=True, exist_ok=True)
    names = {"own": ["higgs1k", "higgs1m", "higgs5m"]}
    for only in arguments.only:
        subprocess.run([interpreter, HERE / "data.py", data, *names.get(only, [only])], check=True)
    print(f"Machine: {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {arguments.threads} threads each, {arguments.turns} turns, medians.")
    for only in arguments.only:
        own(arguments) if only == "own" else compare(arguments, only)


if __name__ == "__main__":
    main()
