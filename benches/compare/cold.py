"""Cold start: from the start of a process to the first bytes of a 720p stream on its standard output."""

import statistics
import subprocess
import time

RUNS = 20


def measure(command):
    """Milliseconds of each run. The program and the clip are in the page cache after a first one, not counted."""
    times = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            came = process.stdout.read(1)
            times.append((time.perf_counter() - start) * 1e3)
            process.kill()
        if not came:
            raise ValueError("it writes no stream")
    return times[1:]


def tell(bin_folder, clip):
    """A line for the library and one for the command."""
    library = [bin_folder / "examples/timed_encode", clip]
    command = [bin_folder / "direct264", "encode", clip, "-o", "-", "--backend", "openh264", "--bitrate", "2M"]
    found = {}
    print(f"\ncold start, 720p, process start to first access unit, {RUNS} runs")
    for name, line in [("the library (timed_encode)", library), ("direct264 encode", command)]:
        try:
            times = measure(line)
        except (OSError, ValueError) as why:
            print(f"  {name:<28} not run: {why}")
            continue
        found[name] = times
        print(f"  {name:<28} median {statistics.median(times):.1f} ms ({min(times):.1f} to {max(times):.1f})")
    return found
