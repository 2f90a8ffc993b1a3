"""Rookery on the same files: jobs through its binary, phases by the events' times."""

import json
import subprocess
import threading
import time
from pathlib import Path

from objective import columns_of


def job(path, names, strength, settings, partition_bytes):
    """A job file: all columns are features, one run for each setting; nothing is kept for a test."""
    numbers, codes = columns_of(names)
    stages, inputs = [], list(numbers)
    if codes:
        indexed, encoded = [f"{name}_index" for name in codes], [f"{name}_one_hot" for name in codes]
        quoted = lambda values: json.dumps(values)  # noqa: E731
        stages.append(f'[[stages]]\ntype = "StringIndexer"\ninputs = {quoted(codes)}\noutputs = {quoted(indexed)}\n')
        stages.append(f'[[stages]]\ntype = "OneHotEncoder"\ndrop_last = false\ninputs = {quoted(indexed)}\noutputs = {quoted(encoded)}\n')
        inputs += encoded
    stages.append(f'[[stages]]\ntype = "VectorAssembler"\ninputs = {json.dumps(inputs)}\noutput = "features"\n')
    types = {name: "float" for name in numbers} | {name: "int" for name in codes} | {"y": "float"}
    columns = ", ".join(f'{name} = "{types[name]}"' for name in names)
    # A setting may have a strength of its own.
    settings = [setting if "reg_param" in setting else f"{setting}\nreg_param = {strength}" for setting in settings]
    runs = [f"[[runs]]\n{setting}\nstandardization = false\n" for setting in settings]
    return (
        f'[job]\nname = "peers"\n[data]\npartition_bytes = "{partition_bytes}"\n[data.sources.rows]\npath = "{path}"\n'
        f"columns = {{ {columns} }}\n[split]\nweights = [1.0, 0.0]\n" + "".join(stages)
        + '[training]\nlabel = "y"\nfeatures = "features"\n' + "".join(runs)
    )


class Memory(threading.Thread):
    """The most memory that processes have had, together, as the kernel counts it."""

    def __init__(self, pids):
        super().__init__(daemon=True)
        self.peaks = dict.fromkeys(pids, 0)
        self.start()

    def run(self):
        alive = True
        while alive:
            alive = False
            for pid in self.peaks:
                try:
                    status = Path(f"/proc/{pid}/status").read_text()
                except OSError:
                    continue
                peak = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
                if peak:
                    alive, self.peaks[pid] = True, int(peak[0]) * 1024
            time.sleep(0.02)

    def total(self):
        return sum(self.peaks.values())


def run(binary, folder, text, workers, threads):
    """Runs a job in a state folder of its own; events, seconds from start to end, peak memory."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.toml").write_text(text)
    command = [binary, "run", folder / "job.toml", "--state-dir", folder / "state", "--workers", str(workers), "--threads", str(threads), "--json"]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    events, memory = [], None
    for line in process.stdout:
        event = json.loads(line)
        event["at"] = time.perf_counter() - started
        events.append(event)
        if event["event"] == "cluster_started":
            memory = Memory([process.pid] + [worker["pid"] for worker in event["workers"]])
    seconds = time.perf_counter() - started
    if process.wait() != 0:
        raise SystemExit(f"rookery ended with {process.returncode}: {events[-1] if events else ''}")
    return events, seconds, memory.total()


def phases(events):
    """Seconds of each phase, in order, by the driver's clock."""
    stamped = [event for event in events if "timestamp_ms" in event]
    starts = [event for event in stamped if event["event"] == "phase_started"]
    ends = [event["timestamp_ms"] for event in starts[1:]] + [stamped[-1]["timestamp_ms"]]
    return [(start["phase"], (end - start["timestamp_ms"]) / 1e3) for start, end in zip(starts, ends)]


def coefficients_of(folder, run_id):
    """Coefficients and intercepts of a run's model, for raw features."""
    found = [path for path in (folder / "state").rglob("model.json") if run_id in str(path)]
    found = found or list((folder / "state").rglob("model.json"))
    classifier = json.loads(found[0].read_text())["classifier"]
    width = classifier["num_features"]
    matrix = classifier["coefficient_matrix"]
    return [matrix[k : k + width] for k in range(0, len(matrix), width)], classifier["intercepts"]
