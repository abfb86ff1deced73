"""Calls between two peers of aiortc, with the drop-in at the sender: content, keyframes, rates, sizes, failures."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref

import aiortc.contrib.media
import numpy as np
import pytest
from aiortc.codecs.h264 import H264Decoder
from pictures import Call, Failing, Track, colour_of, frame, image, is_colour, rgb, until

import direct264
import direct264.aiortc as drop_in
from direct264.aiortc import H264Encoder, Options, stats


@pytest.fixture(autouse=True)
def preferred():
    with drop_in.prefer(Options(backend="openh264")) as preference:
        yield preference
    drop_in.restore()


@pytest.fixture
def failing(monkeypatch):
    return Failing.install(monkeypatch)


def psnr(a, b):
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return 100.0 if error == 0 else 10 * np.log10(255**2 / error)


def numbers(frames):
    """The numbers of decoded frames, from their timestamps."""
    return [round(shown.pts / 3000) for shown in frames]


def are_as_sent(frames, first=0, within=8):
    """Whether each decoded frame has the colour of the frame that was sent with its timestamp."""
    pairs = zip(frames, numbers(frames), strict=True)
    return all(is_colour(shown, colour_of((number - first) // 10), within) for shown, number in pairs)


async def plain_call():
    async with Call() as call:
        frames = await call.frames(45)
        assert isinstance(call.encoders[0], H264Encoder)
        assert stats(call.senders[0]).backend == "openh264"
        first = numbers(frames)[0]
        assert numbers(frames) == list(range(first, first + len(frames)))
        for shown, number in zip(frames, numbers(frames), strict=True):
            assert psnr(rgb(shown), image(number - first)) > 30
        return stats(call.senders[0])


def test_every_picture_arrives_as_it_was_sent():
    told = asyncio.run(plain_call())
    assert (told.idrs, told.size, told.fps) == (1, (320, 240), 30.0)


async def keyframes_asked_for():
    async with Call() as call:
        await call.frames(5)
        for asked in range(1, 4):
            assert stats(call.senders[0]).idrs == asked
            await call.ask_for_keyframe()
            await until(lambda asked=asked: stats(call.senders[0]).idrs == asked + 1, 5)
        frames = await call.frames(10)
        assert are_as_sent(frames, numbers(call.shown[0])[0])
        return sum(shown.key_frame for shown in call.shown[0])


def test_a_pli_is_answered_by_an_idr():
    assert asyncio.run(keyframes_asked_for()) >= 3


async def targets_by_remb():
    """The receiver's estimates, as RTCP carries them to the sender."""
    from aiortc.rtp import RTCP_PSFB_APP, RtcpPsfbPacket, pack_remb_fci

    async with Call() as call:
        await call.frames(5)
        sender = call.senders[0]
        for target in (2_000_000, 600_000, 2_500_000):
            remb = RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=0, media_ssrc=0, fci=pack_remb_fci(target, [sender._ssrc]))
            await sender._handle_rtcp_packet(remb)
            await until(lambda target=target: abs(stats(sender).bitrate / target - 1) < 0.01, 5)
        await call.frames(5)
        assert are_as_sent(call.shown[0][1:], numbers(call.shown[0])[0])
        return stats(sender)


def test_the_bitrate_follows_remb_without_an_idr():
    told = asyncio.run(targets_by_remb())
    assert told.idrs == 1 and [event.kind for event in told.events].count("bitrate_changed") >= 3


async def another_size():
    async with Call(Track(lambda number: frame(number, (480, 272) if 20 <= number < 40 else (320, 240)))) as call:
        frames = await call.frames(60)
        first = numbers(frames)[0]
        sizes = [(shown.width, shown.height) for shown in frames]
        assert sizes == [(480, 272) if 20 <= number - first < 40 else (320, 240) for number in numbers(frames)]
        assert are_as_sent(frames, first)
        return stats(call.senders[0])


def test_a_change_of_size_is_followed():
    told = asyncio.run(another_size())
    assert told.idrs == 3 and [event.kind for event in told.events].count("recreated") == 2


async def lost_and_found(failing):
    async with Call() as call:
        await call.frames(10)
        encoder = call.encoders[0]
        failing.error = direct264.EncodeError("the driver is gone")
        await until(lambda: stats(call.senders[0]).backend == "libx264")
        await call.frames(15)
        failing.error = None
        encoder._back_off._due = 0.0
        await until(lambda: stats(call.senders[0]).backend == "openh264")
        await call.frames(15)
        frames = call.shown[0]
        first = numbers(frames)[0]
        assert numbers(frames) == list(range(first, first + len(frames))), "a frame was lost"
        assert are_as_sent(frames, first, within=12)
        assert call.encoders[0] is encoder, "the session went on"
        return stats(call.senders[0])


def test_a_failure_in_mid_call_loses_no_frame(failing, caplog):
    caplog.set_level(logging.INFO, "direct264.aiortc")
    told = asyncio.run(lost_and_found(failing))
    assert (told.fallbacks, told.restorations, told.idrs) == (1, 1, 3)
    text = caplog.text
    assert text.count("fallback to libx264") == 1 and text.count("restored") == 1


async def dozen(count):
    tracks = [Track(lambda number, size=(160 + 16 * at, 112): frame(number, size)) for at in range(count)]
    async with Call(*tracks) as call:
        await asyncio.gather(*(call.frames(12, at) for at in range(count)))
        for at, shown in enumerate(call.shown):
            assert {picture.width for picture in shown} == {160 + 16 * at}
            assert is_colour(shown[9], colour_of((numbers(shown)[9] - numbers(shown)[0]) // 10))
        encoders = call.encoders
        assert all(isinstance(encoder, H264Encoder) for encoder in encoders)
        assert {stats(sender).backend for sender in call.senders} == {"openh264"}
        assert len({stats(sender).number for sender in call.senders}) == count
        held = [weakref.ref(encoder) for encoder in encoders]
        sender = call.senders[0]
    del encoders
    return held, sender


def test_a_dozen_senders_encode_and_let_go_of_their_encoders():
    gc.disable()
    try:
        held, sender = asyncio.run(dozen(12))
        assert [encoder() for encoder in held] == [None] * 12, "no cycle keeps an encoder alive"
    finally:
        gc.enable()
    assert stats(sender).frames >= 12, "a sender that has ended keeps its figures"


async def relayed(count):
    relay = aiortc.contrib.media.MediaRelay()
    source = Track(lambda number: frame(number, fps=30))
    async with Call(*(relay.subscribe(source) for _ in range(count))) as call:
        await asyncio.gather(*(call.frames(30, at) for at in range(count)))
        for shown in call.shown:
            steps = np.diff(numbers(shown))
            assert set(steps) == {1}, "timestamps are spoilt by no other peer"
            assert are_as_sent(shown, numbers(shown)[0])


def test_one_source_relayed_to_three_peers():
    asyncio.run(relayed(3))


async def arrays():
    def make(number):
        return drop_in.gpu_frame(image(number), 0)

    async with Call(Track(make)) as call:
        frames = await call.frames(30)
        assert are_as_sent(frames, numbers(frames)[0])
        assert stats(call.senders[0]).left_out == 0


def test_arrays_travel_through_a_track():
    asyncio.run(arrays())


async def paused_and_replaced():
    async with Call() as call:
        await call.frames(5)
        sender = call.senders[0]
        sender.replaceTrack(None)
        await asyncio.sleep(0.2)
        sender.replaceTrack(Track(lambda number: frame(number, (640, 368))))
        await until(lambda: call.shown[0][-1].width == 640)
        return stats(sender)


def test_a_track_that_is_replaced_goes_on():
    assert asyncio.run(paused_and_replaced()).fallbacks == 0


def test_the_decoder_of_aiortc_is_not_touched():
    assert H264Decoder.__module__ == "aiortc.codecs.h264"
