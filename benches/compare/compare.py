"""direct264 and its rivals on the same clips in one run: see run.sh."""

import argparse
import copy
import json
import statistics
import subprocess
import tempfile
from pathlib import Path

import clips
import cold
import contenders
import quality

# Frames at the start that are not counted, for anyone.
WARM_UP = 10


def main():
    args = arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    print(machine(args.bin))
    if args.clips:
        chosen = [clips.load(path, args.frames) for path in args.clips]
    else:
        chosen = clips.defaults(args.work, args.frames)
    # A folder of its own: whatever else lies in the work folder may be the user's, by any name.
    with tempfile.TemporaryDirectory(prefix="run-", dir=args.work) as made:
        args.made = Path(made)
        found = [compare(args, clip, bitrate) for clip in chosen for bitrate in args.bitrates or usual(clip)]
        print("\nseconds: the leanest and the fattest after the first, as shares of the target. sizes: the 5th and the 95th "
              "percentile of\nthe pictures' sizes, as shares of their mean.")
        print("CPU ms is that of all threads. Where two threads have a p50 near it, the second core was not free.")
        start = args.made / "cold720.y4m"
        clips.Clip("cold", [first_picture(chosen[0])]).write(start)
        starts = cold.tell(args.bin, start)
    if args.json:
        args.json.write_text(json.dumps({"comparisons": found, "cold_start_ms": starts}, indent=1) + "\n")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--bin", type=Path, required=True, help="folder of the release build")
    parser.add_argument("--work", type=Path, required=True, help="folder for clips and streams")
    parser.add_argument("--bitrates", type=rates, help="such as 3M,6M [default: these, or 2M for less than 1080 rows]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=132)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def usual(clip):
    return [3_000_000, 6_000_000] if clip.height >= 1080 else [2_000_000]


def rates(text):
    units = {"k": 1e3, "M": 1e6}
    return [int(float(r[:-1]) * units[r[-1]]) if r[-1] in units else int(r) for r in text.split(",")]


def machine(bin_folder):
    """The line in which `direct264 bench` says what the figures were taken on, the openh264 build included."""
    command = [bin_folder / "direct264", "bench", "--backend", "openh264", "--size", "64x64", "--frames", "2"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[1]


def first_picture(clip):
    import av

    frame = av.VideoFrame.from_ndarray(clip.pictures[0], format="yuv420p")
    return frame.reformat(1280, 720, "yuv420p", interpolation="BICUBIC").to_ndarray()


def compare(args, clip, bitrate):
    """Rounds in which each contender encodes the whole clip once, each round beginning with another."""
    for stale in args.made.glob("clip-*.y4m"):
        stale.unlink()
    field = contenders.everyone(args.bin / "examples/timed_encode")
    reference = field[0].name
    nothing = {"p50": [], "p99": [], "cpu": [], "kbps": [], "psnr": None, "seconds": None, "sizes": None}
    results = {contender.name: copy.deepcopy(nothing) for contender in field}
    for turn in range(args.rounds):
        shift = turn % len(field)
        for contender in field[shift:] + field[:shift]:
            result = results.get(contender.name)
            if result is None:
                continue
            try:
                run(contender, clip, bitrate, args.made, result)
            except Exception as why:  # a rival that cannot run must not end the run of the others
                print(f"not run: {contender.name}: {why}")
                del results[contender.name]
    tell(clip, bitrate, args.rounds, results, reference)
    return {"clip": clip.name, "bitrate": bitrate, "frames": len(clip.pictures), "results": results}


def run(contender, clip, bitrate, work, result):
    frames, stream = contender.encode(clip, bitrate, work)
    steady = sorted(wall for wall, _, _ in frames[WARM_UP:])
    result["p50"].append(statistics.median(steady))
    result["p99"].append(steady[min(len(steady) - 1, len(steady) * 99 // 100)])
    result["cpu"].append(statistics.median(cpu for _, cpu, _ in frames[WARM_UP:]))
    bits = 8 * sum(len(part) for part in stream)
    result["kbps"].append(bits * clips.FPS / len(clip.pictures) / 1e3)
    if result["psnr"] is None:
        result["psnr"] = quality.psnr_y(clip, stream)
        result["seconds"], result["sizes"] = steadiness([size for _, _, size in frames], bitrate)


def steadiness(sizes, bitrate):
    """After the first second: the leanest and the fattest second as shares of the target, and of the pictures' sizes the
    5th and the 95th percentile as shares of their mean."""
    later = sizes[clips.FPS :]
    if len(later) < 2 * clips.FPS:
        return None, None
    seconds = [8 * sum(later[at : at + clips.FPS]) / bitrate for at in range(len(later) - clips.FPS + 1)]
    ranked, mean = sorted(later), statistics.mean(later)
    return (min(seconds), max(seconds)), tuple(ranked[len(ranked) * part // 100] / mean for part in (5, 95))


def tell(clip, bitrate, rounds, results, reference):
    print(f"\n{clip.name}, {clip.width}x{clip.height}, {len(clip.pictures)} frames, {bitrate / 1e6:g} Mbit/s at "
          f"{clips.FPS} fps, median of {rounds} rounds")
    print(f"  {'':<40} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms':>8} {'PSNR-Y':>7} {'kbit/s':>7}  "
          f"{'p50 / first':<21} {'CPU / first':<21} {'seconds':>12} {'sizes':>12}")
    for name, result in results.items():
        ratios = [spread(result[key], results.get(reference, {}).get(key, [])) for key in ("p50", "cpu")]
        p50, p99, cpu, kbps = (statistics.median(result[key]) for key in ("p50", "p99", "cpu", "kbps"))
        ranges = [f"{two[0]:.2f} to {two[1]:.2f}" if two else "-" for two in (result["seconds"], result["sizes"])]
        print(f"  {name:<40} {p50:>8.2f} {p99:>8.2f} {cpu:>8.2f} {result['psnr']:>7.2f} {kbps:>7.0f}  "
              f"{ratios[0]:<21} {ratios[1]:<21} {ranges[0]:>12} {ranges[1]:>12}", flush=True)


def spread(theirs, ours):
    """The median of the ratios within each round, and the lowest and the highest."""
    ratios = [a / b for a, b in zip(theirs, ours)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else "-"


if __name__ == "__main__":
    main()
