"""kill -9 under load: how soon it serves again, how long clients wait meanwhile, and what is not in the ledger.

    python -m tests.bench.restart --kills 5 --rows 50

The daemon runs as a service whose socket belongs to the service manager, before a scripted provider; its store holds
the state of so many deployments. Told of each restart: from its start to ``READY=1``, how much processor time that took
(on a machine that has nothing else to do it is nearly the same), and from the kill to the first answer. In all: the
longest that a request took, those that broke, connections that were refused, and answers that no entry of the ledger
tells of, with how long before the kill the oldest of them had come.
"""

from __future__ import annotations

import argparse
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.e2e.test_kill import cpu_s, ledger, lost
from tests.fakes.service_manager import Service, api_socket
from tests.fakes.stub_provider import StubProvider
from tests.fakes.witness import Witness

WARM_S = 6.0  # of load before the first kill: state is written every five seconds


def configured(stub: StubProvider, rows: int) -> dict[str, Any]:
    """Return a configuration with so many deployments."""
    price = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2}
    deployments = [{"model": "m", "name": f"m{i}", "upstream_model": "m", "price": price} for i in range(rows)]
    provider = {**stub.config(), "deployments": deployments}
    return {"providers": [provider], "probes": {"completion": "never"}}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--rows", type=int, default=50)
    parser.add_argument("--workers", type=int, default=4)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, StubProvider("p") as stub:
        sock = api_socket()
        with Service(Path(folder), configured(stub, asked.rows), sockets={"api": sock}) as running:
            first = running.start()
            print(f"first start: {first:.3f} s to READY=1, nothing to restore")
            witness = Witness(sock.getsockname(), "", "m", workers=asked.workers, pause_s=0.005)
            kills = []
            with witness:
                time.sleep(WARM_S)
                for _ in range(asked.kills):
                    sent = running.send(signal.SIGKILL)
                    running.ended()
                    kills.append((sent, time.perf_counter()))
                    took = running.start()
                    used = cpu_s(running.pid)
                    time.sleep(1.0)
                    answer = min(t.ended for t in witness.answered if t.ended > kills[-1][1])
                    restored = running.started()["restored"]
                    print(
                        f"killed: {took:.3f} s ({used:.2f} s of CPU) from start to READY=1, {answer - sent:.3f} s"
                        f" from the kill to the first answer, {restored} rows restored",
                        flush=True,
                    )
            running.stop()
        told = witness.told
        kept, entries, summed = ledger(Path(folder))
        missing = lost(witness.answered, kept, kills)
        waited = max((t.ended - t.began for t in witness.answered), default=0.0)
        broken, refused = sum(t.status == 0 for t in told), sum(t.status == -1 for t in told)
        print(f"{len(witness.answered)} answers; longest {waited:.3f} s; {broken} broken by a kill, {refused} refused")
        print(f"ledger: {entries} entries, {summed} in its sums; {len(missing)} answers are in none", end="")
        print(f", the oldest came {max(missing) * 1000:.0f} ms before the kill" if missing else "")


if __name__ == "__main__":
    main()
