"""One peer, in a process of its own: `python measure.py PEER TRAIN.parquet FILE STRENGTH THREADS NAME`. FILE is what is read, CSV or
Parquet. Prints one line of JSON: seconds to read, and seconds and objective for each setting."""

import json
import os
import sys
import time
import warnings

peer, train, file, strength, threads, name = sys.argv[1:]
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = threads
warnings.filterwarnings("ignore")

from objective import objective  # noqa: E402
from peers import PEERS  # noqa: E402

trainer = PEERS[peer][0](float(strength), int(threads))
started = time.perf_counter()
trainer.read(file)
read = time.perf_counter() - started
trainer.warm_up()
fitted = []
for setting in trainer.settings(name):
    started = time.perf_counter()
    solution = trainer.fit(setting)
    fitted.append((setting, time.perf_counter() - started, solution))
# Before the evaluator reads the rows once more. Not `ru_maxrss`, in which the process that started this one counts, too.
memory = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
fits = []
for setting, seconds, (coefficients, intercepts) in fitted:
    reached = objective(train, coefficients, intercepts, float(strength), trainer.known)
    fits.append({"setting": setting, "seconds": seconds, "objective": reached})
print(json.dumps({"who": peer, "version": trainer.version(), "read": read, "memory": memory, "fits": fits}))
