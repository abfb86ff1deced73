"""What a frame costs the host beside the encoding: direct264 and other clients of NVENC on the driver double: see overhead.sh.

The double encodes in no time and moves no bytes of uploads. Each client is a process of its own that stays, and each round
asks every one of them for some frames. A frame is timed from the call that takes it to its access unit; what the double
itself spends of that is counted by the double and told apart: the rest is the client's own share.
"""

import argparse
import json
import os
import statistics
import subprocess
from pathlib import Path

# Name, and program with its argument, for each place that a frame can come from.
CLIENTS = {
    "cuda": [
        ("direct264, direct", ["ours", "direct-cuda"]),
        ("direct264, bounded", ["ours", "bounded-cuda"]),
        ("FFmpeg h264_nvenc", ["ffmpeg", "cuda"]),
        ("moq-nvenc", ["moq", "cuda"]),
    ],
    "host": [
        # The first is what the others are compared with.
        ("nothing but the copy of the rows", ["ours", "copy"]),
        ("direct264, direct", ["ours", "direct-host"]),
        ("direct264, bounded", ["ours", "bounded-host"]),
        ("FFmpeg h264_nvenc", ["ffmpeg", "host"]),
        ("moq-nvenc", ["moq", "host"]),
    ],
    "lent": [
        ("direct264, direct", ["ours", "direct-lent"]),
        ("direct264, bounded", ["ours", "bounded-lent"]),
    ],
}
SOURCES = {
    "cuda": "in device memory",
    "host": "in host memory, borrowed (one copy of its rows included)",
    "lent": "in page-locked memory that the encoder lent",
}
BENCH = {"ENCODE": "canned", "CHECKS": "light", "COPIES": "none", "CLOCK": "on"}
STRICT = {"ENCODE": "canned"}
WARM_UP = 50


class Client:
    """A process on the double, ready for orders."""

    def __init__(self, args, command, settings, report=None):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("D264_DOUBLE_")}
        environment |= {f"D264_DOUBLE_{key}": value for key, value in settings.items()}
        if report:
            environment["D264_DOUBLE_REPORT"] = str(report)
        environment["LD_LIBRARY_PATH"] = f"{args.double}:{environment.get('LD_LIBRARY_PATH', '')}"
        command = [args.clients / command[0], *command[1:]]
        if not command[0].exists():
            raise OSError("it was not built")
        self.process = subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self.process.stdout.readline() != "ready\n":
            raise OSError(self.last_words())

    def frames(self, count, hz=0):
        """How often it allocated, and nanoseconds in all and inside the double for each frame."""
        print(count, hz, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline().split()
        if len(answer) != count + 1:
            raise OSError(self.last_words())
        return int(answer[0]), [tuple(int(part) for part in pair.split(":")) for pair in answer[1:]]

    def last_words(self):
        self.process.stdin.close()
        said = self.process.stderr.read().strip().splitlines()
        self.process.wait()
        return said[-1] if said else f"it ends with {self.process.returncode}"

    def close(self):
        self.process.stdin.close()
        self.process.stdout.read()
        said = self.process.stderr.read().strip()
        code = self.process.wait()
        return said if code == 0 else f"it ends with {code}: {said}"


def main():
    args = arguments()
    print(f"\nclient overhead: 1080p NV12 from the call to the access unit, on the driver double, which encodes in no "
          f"time;\nno NVENC hardware is involved. {args.rounds} interleaved rounds; microseconds.")
    found = {source: compare(args, source, clients) for source, clients in CLIENTS.items()}
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=Path, required=True, help="folder of the built clients")
    parser.add_argument("--double", type=Path, required=True, help="folder of the driver double")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--frames", type=int, default=400, help="in each round, ten times as many without a copy")
    parser.add_argument("--paced-rounds", type=int, default=4)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def compare(args, source, clients):
    """Every client at once, then those whose thread sleeps between frames once more at 60 Hz."""
    print(f"\na frame {SOURCES[source]}")
    running, results = {}, {}
    for name, command in clients:
        try:
            running[name] = Client(args, command, BENCH)
            running[name].frames(WARM_UP)
            results[name] = {"p50": [], "p99": [], "net": [], "allocations": [], "paced": []}
        except OSError as why:
            running.pop(name, None)
            print(f"  not run: {name}: {why}")
    names = list(running)
    # A round has to be long beside what else goes on in the machine, and these frames are short.
    frames = args.frames if source == "host" else 10 * args.frames
    for turn in range(args.rounds):
        shift = turn % max(len(names), 1)
        for name in names[shift:] + names[:shift]:
            measure(running[name], frames, results[name])
    for _ in range(args.paced_rounds):
        for name in [name for name in names if name.startswith("direct264")]:
            results[name]["paced"] += [took / 1e3 for took, _ in running[name].frames(60, 60)[1]]
    for client in running.values():
        client.close()
    for name, command in clients:
        if name in results and command[-1] != "copy":
            results[name] |= count_calls(args, command)
    tell(results)
    return results


def measure(client, frames, result):
    allocations, times = client.frames(frames)
    times = times[frames // 20:]
    result["p50"].append(statistics.median(took for took, _ in times) / 1e3)
    result["p99"].append(percentile([took for took, _ in times], 99) / 1e3)
    result["net"].append(statistics.median(took - inside for took, inside in times) / 1e3)
    # The answer itself is made after the last count.
    result["allocations"].append(allocations / frames)


def count_calls(args, command):
    """Driver calls per frame, from the reports of a short and a longer run; and what the double found wrong."""
    reports = []
    for frames in (50, 150):
        path = args.clients / "report.json"
        path.unlink(missing_ok=True)
        client = Client(args, command, STRICT, path)
        client.frames(frames)
        said = client.close()
        reports.append(json.loads(path.read_text()) if path.exists() else {"calls": {}, "said": said})
    calls = {}
    for call, times in reports[1]["calls"].items():
        each = (times - reports[0]["calls"].get(call, 0)) / 100
        if each:
            calls[call] = each
    wrong = [f"{it['function']}: {it['rule']} ({it['times']} times)" for it in reports[1].get("violations", [])]
    wrong += [f"left behind: {count} {what}" for what, count in reports[1].get("leaks", {}).items()]
    wrong += [report["said"] for report in reports[:1] if report.get("said")]
    return {"calls": calls, "wrong": wrong}


def tell(results):
    if not results:
        return
    first = next(iter(results.values()))
    print(f"  {'':<34} {'p50':>7} {'p99':>7} {'own share':>10} {'allocs':>7} {'calls':>6}  "
          f"{'p50 / first':<22} {'own share / first':<22}")
    for name, result in results.items():
        p50, p99, net, allocations = (statistics.median(result[key]) for key in ("p50", "p99", "net", "allocations"))
        allocated = f"{allocations:.1f}" if allocations >= 0 else "-"
        calls = sum(result["calls"].values()) if "calls" in result else 0
        print(f"  {name:<34} {p50:>7.1f} {p99:>7.1f} {net:>10.2f} {allocated:>7} {calls:>6.0f}  "
              f"{spread(result['p50'], first['p50']):<22} {spread(result['net'], first['net']):<22}")
    for name, result in results.items():
        if result["paced"]:
            p50, p99 = statistics.median(result["paced"]), percentile(result["paced"], 99)
            print(f"  at 60 Hz: {name:<24} {p50:>7.1f} {p99:>7.1f}")
    for name, result in results.items():
        for wrong in result.get("wrong", []):
            print(f"  the double says of {name}: {wrong}")


def percentile(values, percent):
    values = sorted(values)
    return values[min(len(values) - 1, len(values) * percent // 100)]


def spread(theirs, first):
    """The median of the ratios within each round, and the lowest and the highest."""
    ratios = [a / b for a, b in zip(theirs, first)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    main()
