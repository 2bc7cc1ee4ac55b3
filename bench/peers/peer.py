"""A peer of the speed table: a long-lived process that answers JSON lines, so that a harness can alternate with it.

On standard input, one object a line; on standard output, one object for each:

    {"cmd": "setup", …}     {"ready": true, …}        what is set up, versions, memory before (`baseBytes`)
    {"cmd": "step"}         {"ms": 161.2, …}          one measured piece of work
    {"cmd": "memory"}       {"peakBytes": 912345678}  the most memory the process ever held
    {"cmd": "quit"}         {"bye": true}

A failure answers {"error": "…"} and the process lives on. End of input ends it.
"""

import json
import os
import resource
import sys
import traceback


def peak_bytes():
    """The most memory this process held. Linux's ru_maxrss starts from the process that spawned this one; VmHWM does not."""
    try:
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return peak if sys.platform == "darwin" else peak * 1024


def serve(setup, step):
    """Answers until told to stop. `setup(request)` gives the state that `step(state, request)` works on; both return dicts."""
    # What libraries print must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    state = None
    for line in sys.stdin:
        if not line.strip():
            continue
        try:
            request = json.loads(line)
            command = request.pop("cmd")
            if command == "setup":
                base = peak_bytes()
                state, answer = setup(request)
                answer = {"ready": True, "baseBytes": base, "peakBytes": peak_bytes()} | answer
            elif command == "step":
                if state is None:
                    raise RuntimeError("step before setup")
                answer = step(state, request)
            elif command == "memory":
                answer = {"peakBytes": peak_bytes()}
            elif command == "quit":
                answers.write('{"bye": true}\n')
                return
            else:
                raise ValueError(f"unknown command {command}")
        except Exception as error:  # noqa: BLE001 - the harness decides what a failure means
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
