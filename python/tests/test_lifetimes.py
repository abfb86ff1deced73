"""Threads, ends, forks and memory."""

import gc
import os
import subprocess
import sys
import threading
import time
import tracemalloc

import pytest
from conftest import drawing

import direct264

OPEN = "import direct264; e = direct264.Encoder(320, 240, fps=30, bitrate=10**6, backend='openh264');"
FRAME = "frame = bytes(320 * 240 * 3 // 2);"


def python(script, **more):
    return subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, timeout=60, check=False, **more
    )


def opened(**settings):
    return direct264.Encoder(320, 240, fps=30, bitrate=1_000_000, backend="openh264", **settings)


def test_threads_take_turns():
    frames, units, errors = [drawing(320, 240, n) for n in range(8)], [], []
    with opened() as encoder:

        def work():
            try:
                for frame in frames:
                    units.append(encoder.encode(frame))
                    encoder.bitrate = 900_000 + len(units)
                    assert encoder.counters.frames["openh264"] > 0
                    encoder.take_events()
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(6)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    assert not errors
    assert sorted(unit.frame_id for unit in units) == list(range(48))


def test_another_thread_runs_while_a_frame_is_encoded():
    seen, is_done = [], threading.Event()

    def count():
        while not is_done.is_set():
            seen.append(1)
            time.sleep(0)

    big = drawing(1920, 1080)
    with direct264.Encoder(1920, 1080, fps=30, bitrate=4_000_000, backend="openh264") as encoder:
        encoder.encode(big)
        switch = sys.getswitchinterval()
        # Threads give the GIL up where they wait, and nowhere else.
        sys.setswitchinterval(1000)
        thread = threading.Thread(target=count)
        try:
            thread.start()
            before = len(seen)
            encoder.encode(big)
            assert len(seen) > before
        finally:
            sys.setswitchinterval(switch)
            is_done.set()
            thread.join()


def test_close_waits_for_a_frame_of_another_thread():
    encoder, began = opened(), threading.Event()
    results = []

    def work():
        try:
            while True:
                results.append(encoder.encode(drawing(320, 240)))
                began.set()
        except direct264.ClosedError:
            results.append("closed")

    thread = threading.Thread(target=work)
    thread.start()
    began.wait()
    encoder.close()
    thread.join(30)
    assert results[-1] == "closed"


def test_an_interpreter_that_ends_with_live_encoders_ends_well():
    done = python(OPEN + FRAME + "e.encode(frame, format='i420'); print('last')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "last\n", "")


def test_an_interpreter_that_ends_while_a_thread_encodes_ends_well():
    script = (
        OPEN + FRAME + "import threading\n"
        "def work():\n"
        "    while True: e.encode(frame, format='i420'); began.set()\n"
        "began = threading.Event(); threading.Thread(target=work, daemon=True).start(); began.wait(); print('last')"
    )
    done = python(script)
    assert (done.returncode, done.stdout) == (0, "last\n"), done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_forked_child_encodes_with_an_encoder_of_its_own(threads):
    script = (
        OPEN.replace("320, 240", f"320, 240, threads={threads}, slices={threads}")
        + FRAME
        + (
            "e.encode(frame, format='i420')\n"
            "import os\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    mine = direct264.Encoder(320, 240, fps=30, bitrate=10**6, backend='openh264')\n"
            "    ok = mine.encode(frame, format='i420').is_idr\n"
            "    try: e.encode(frame, format='i420')\n"
            "    except direct264.Error: pass\n"
            "    os._exit(0 if ok else 1)\n"
            "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0\n"
            "assert not e.encode(frame, format='i420').is_idr\n"
        )
    )
    done = python(script)
    assert done.returncode == 0, done.stderr


def resident_kb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc here")
def test_frames_leave_nothing_behind():
    count = int(os.environ.get("DIRECT264_LEAK_FRAMES", "10000"))
    frame, backwards = drawing(64, 64), drawing(64, 64)[::-1]
    nv12 = bytes(64 * 64 * 3 // 2)
    with direct264.Encoder(64, 64, fps=30, bitrate=100_000, backend="openh264") as encoder:

        def some(times):
            for _ in range(times):
                unit = encoder.encode(frame)
                unit.rtp_payloads(), unit.times, unit.time_base, memoryview(unit)
                encoder.encode(backwards)
                encoder.encode(nv12, format="nv12")
                with pytest.raises(direct264.FrameError):
                    encoder.encode(nv12)
                encoder.take_events()

        some(200)
        gc.collect()
        tracemalloc.start()
        some(100)
        before, resident = tracemalloc.get_traced_memory()[0], resident_kb()
        some(count // 3)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
    assert grown < 64 * 1024, f"{grown} bytes of Python's"
    assert resident_kb() - resident < 8 * 1024, "resident memory grew"


def test_encoders_leave_nothing_behind():
    def some(times):
        for _ in range(times):
            encoder = opened()
            encoder.encode(drawing(320, 240))
            encoder.close()

    some(10)
    before = resident_kb()
    some(60)
    # One encoder of this size takes some 3 MB.
    assert resident_kb() - before < 30 * 1024
