"""The event loop is never blocked for long by the drop-in: each call that runs on the loop is measured by itself."""

from __future__ import annotations

import statistics
import threading
import time

import aiortc
import aiortc.rtcrtpsender
import numpy as np
import pytest
from pictures import H264, VIDEO, frame

import direct264.aiortc as drop_in
from direct264.aiortc import H264Encoder, Options

LIMIT = 0.002
"""Seconds. The median of many calls counts, so that a busy machine fails no test."""
SIZE = (1280, 720)


def median_of(call, times=41):
    """The median duration of a call, in seconds."""
    durations = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)


@pytest.fixture
def busy():
    """An encoder that another thread keeps busy with frames of noise."""
    encoder = H264Encoder(Options(backend="openh264", threads=1))
    noise = np.random.default_rng(1).integers(0, 255, (SIZE[1] * 3 // 2, SIZE[0]), np.uint8)
    shown = aiortc.mediastreams.VideoFrame.from_ndarray(noise, format="yuv420p")
    stop, walls = threading.Event(), []

    def work():
        for number in range(100_000):
            if stop.is_set():
                return
            shown.pts, shown.time_base = number * 3000, VIDEO
            start = time.perf_counter()
            encoder.encode(shown)
            walls.append(time.perf_counter() - start)

    thread = threading.Thread(target=work)
    thread.start()
    while len(walls) < 3:
        time.sleep(0.01)
    yield encoder
    stop.set()
    thread.join()
    # A call that waited for a frame would have taken about so long.
    assert statistics.median(walls) > LIMIT, "the frames are too small for this test"


def median_while_busy(act, times=41):
    durations = []
    for _ in range(times):
        time.sleep(0.003)
        start = time.perf_counter()
        act()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)


def test_a_new_target_waits_for_no_frame(busy):
    targets = iter(range(600_000, 3_000_000, 10_000))

    def set_target():
        busy.target_bitrate = next(targets)

    assert median_while_busy(set_target) < LIMIT


def test_figures_wait_for_no_frame(busy):
    assert median_while_busy(busy.meter.stats) < LIMIT


def test_making_an_encoder_opens_nothing():
    with drop_in.prefer(Options(backend="openh264")):
        assert median_of(lambda: aiortc.rtcrtpsender.get_encoder(H264)) < LIMIT


@pytest.mark.parametrize("threads", [1, 4])
def test_dropping_an_encoder_does_not_wait_for_its_end(threads):
    durations = []
    for _ in range(15):
        encoder = H264Encoder(Options(backend="openh264", threads=threads))
        encoder.encode(frame(0, SIZE))
        start = time.perf_counter()
        del encoder
        durations.append(time.perf_counter() - start)
    assert statistics.median(durations) < LIMIT


def test_preferring_and_restoring():
    assert median_of(lambda: drop_in.prefer().restore()) < LIMIT


def test_a_frame_for_an_array():
    array = np.zeros((720, 1280, 3), np.uint8)
    assert median_of(lambda: drop_in.gpu_frame(array, 0)) < LIMIT
