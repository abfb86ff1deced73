"""The drop-in in calls on the driver double: NVENC selected, failing in mid-call, and back; arrays in device memory."""

from __future__ import annotations

import json
import textwrap

import pytest
from conftest import run_on_double

HEAD = """
import asyncio, json
from pictures import *
import direct264
import direct264.aiortc as drop_in

def told(call):
    first = round(call.shown[0][0].pts / 3000)
    numbers = [round(frame.pts / 3000) - first for frame in call.shown[0]]
    stats = drop_in.stats(call.senders[0])
    return dict(
        numbers=numbers,
        right=[is_colour(frame, colour_of(number // 10), 12) for number, frame in zip(numbers, call.shown[0])],
        keys=[number for number, frame in zip(numbers, call.shown[0]) if frame.key_frame],
        backend=stats.backend, idrs=stats.idrs, fallbacks=stats.fallbacks, restorations=stats.restorations,
        error=stats.last_error, left_out=stats.left_out,
        events=[event.kind for event in stats.events],
    )
"""
CALL = """
async def main(options, frames, make=frame, until_backend=None):
    with drop_in.prefer(options):
        async with Call(Track(make)) as call:
            await call.frames(frames)
            encoder = call.encoders[0]
            if until_backend:
                await until(lambda: drop_in.stats(call.senders[0]).backend == until_backend)
                await call.frames(10)
            assert call.encoders[0] is encoder
            return told(call)
"""


@pytest.fixture
def in_call(double, tmp_path):
    def run(options, frames=30, more="", arguments="", **environment):
        script = HEAD + CALL + textwrap.dedent(more)
        script += f"print(json.dumps(asyncio.run(main(drop_in.Options({options}), {frames}{arguments}))))"
        return json.loads(run_on_double(double, script, tmp_path / "report.json", **environment))

    return run


def is_whole(told):
    """Every frame arrived once, in order, as it was sent."""
    return told["numbers"] == list(range(len(told["numbers"]))) and all(told["right"])


def test_nvenc_is_selected_and_every_picture_arrives(in_call):
    told = in_call("")
    assert told["backend"] == "nvenc" and is_whole(told)
    assert (told["idrs"], told["keys"], told["fallbacks"]) == (1, [0], 0)


def test_nvenc_failing_in_mid_call_loses_no_frame(in_call):
    failover = "failover=direct264.Failover(retry=None)"
    told = in_call(failover, D264_DOUBLE_FAULT="nvEncEncodePicture:13=20")
    assert told["backend"] == "openh264" and is_whole(told)
    assert told["keys"] == [0, 12], "the frame that NVENC failed on comes as an IDR"
    assert (told["idrs"], told["fallbacks"], told["restorations"], told["error"]) == (2, 1, 0, None)


def test_the_call_returns_to_nvenc(in_call):
    failover = "failover=direct264.Failover(retry=(0.3, 1.0))"
    told = in_call(failover, frames=15, arguments=", until_backend='nvenc'", D264_DOUBLE_FAULT="nvEncEncodePicture:13=20")
    assert is_whole(told) and "restored" in told["events"]
    assert told["keys"][:2] == [0, 12] and len(told["keys"]) == told["idrs"] == 3


def test_nvenc_alone_that_fails_leaves_the_frame_to_libx264(in_call):
    told = in_call("backend='nvenc'", D264_DOUBLE_FAULT="nvEncEncodePicture:13+=20")
    assert told["backend"] == "libx264" and is_whole(told) and told["keys"] == [0, 12]
    assert "EncodeError" in told["error"] or "UnavailableError" in told["error"]


def test_nvenc_that_hangs_ends_no_call(in_call):
    limits = "nvenc=direct264.Nvenc(limits=(10.0, 1.0, 0.1)), failover=direct264.Failover(retry=None)"
    # The call outlasts the hang, so that the session ends before the process does.
    told = in_call(limits, frames=90, D264_DOUBLE_FAULT="nvEncEncodePicture:13=hang1500")
    assert told["backend"] == "openh264" and told["fallbacks"] == 1 and all(told["right"])
    assert told["numbers"] == list(range(len(told["numbers"])))


@pytest.mark.parametrize("fault", ["", "nvEncEncodePicture:13=20"])
def test_arrays_in_device_memory_travel_through_a_track(in_call, fault):
    more = """
    import gc
    import numpy as np
    from cuda_arrays import Context, Cupy

    class Owned(Cupy):
        # An allocator of a framework frees what nobody refers to any more.
        def __del__(self):
            with Context():
                self.free()

    def device(number):
        picture = np.dstack([image(number), np.full((240, 320), 255, np.uint8)])
        with Context():
            return drop_in.gpu_frame(Owned(picture), 0, format="rgba")

    in_call = main

    async def main(*arguments, **named):
        # The context outlives every array.
        with Context():
            told = await in_call(*arguments, **named)
            gc.collect()
        return told
    """
    failover = "failover=direct264.Failover(retry=None)"
    told = in_call(failover, more=more, arguments=", make=device", D264_DOUBLE_FAULT=fault)
    assert is_whole(told) and told["left_out"] == 0
    assert (told["backend"], told["fallbacks"]) == (("openh264", 1) if fault else ("nvenc", 0))
