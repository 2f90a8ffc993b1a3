"""One peer, in a process of its own: `python measure.py PEER TRAIN.parquet FILE STRENGTH THREADS NAME`. FILE is what is read, CSV or
Parquet. Prints one line of JSON: seconds to read, and seconds and objective for each setting."""

import json
import os
import resource
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
fits = []
for setting in trainer.settings(name):
    started = time.perf_counter()
    coefficients, intercepts = trainer.fit(setting)
    seconds = time.perf_counter() - started
    reached = objective(train, coefficients, intercepts, float(strength), trainer.known)
    fits.append({"setting": setting, "seconds": seconds, "objective": reached})
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"who": peer, "version": trainer.version(), "read": read, "memory": memory, "fits": fits}))
