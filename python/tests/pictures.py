"""Frames, access units and calls between two peers, for the tests of aiortc, PyAV and the demo."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import aiortc
import aiortc.mediastreams
import av
import numpy as np
from aiortc.codecs.h264 import h264_depayload

import direct264
from direct264.aiortc import _options

VIDEO = Fraction(1, 90_000)
H264 = aiortc.RTCRtpCodecParameters(mimeType="video/H264", clockRate=90_000, payloadType=99)
VP8 = aiortc.RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=97)


def colour_of(number):
    """A colour of its own for each of 8 numbers, far from the others."""
    dark, light = 40, 200
    return [
        (light, dark, dark),
        (dark, light, dark),
        (dark, dark, light),
        (light, light, dark),
        (light, dark, light),
        (dark, light, light),
        (light, light, light),
        (dark, dark, dark),
    ][number % 8]


def image(number, size=(320, 240)):
    """An RGB picture of one colour, with a light square that moves."""
    made = np.empty((size[1], size[0], 3), np.uint8)
    made[:] = colour_of(number // 10)
    at = 8 + 4 * number % (size[0] // 2)
    made[16:48, at : at + 32] = 235
    return made


def frame(number, size=(320, 240), fmt="yuv420p", fps=30):
    """A frame of `image`, in BT.709 of limited range where it is YUV."""
    made = av.VideoFrame.from_ndarray(image(number, size), format="rgb24")
    if fmt != "rgb24":
        made = made.reformat(format=fmt, dst_colorspace="ITU709")
    made.pts, made.time_base = number * 90_000 // fps, VIDEO
    return made


def annex_b(payloads):
    """The access unit of RTP payloads."""
    return b"".join(h264_depayload(payload) for payload in payloads)


def nal_types(data):
    """The types of the NAL units of an access unit."""
    return [part[0] & 31 for part in data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]]


def is_idr(payloads):
    return 5 in nal_types(annex_b(payloads))


def shown(units):
    """Decodes access units."""
    decoder = av.CodecContext.create("h264", "r")
    return [frame for unit in [*map(av.Packet, units), None] for frame in decoder.decode(unit)]


def planes(frame):
    """Y, Cb and Cr of a decoded frame, as arrays."""
    assert frame.format.name == "yuv420p"
    return [
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width] for plane in frame.planes
    ]


def to_rgb(frame, y, u, v):
    """RGB of samples, by arithmetic of this file's own and with the matrix that the stream signals, else BT.709."""
    kr, kb = (0.299, 0.114) if int(frame.colorspace) in (5, 6) else (0.2126, 0.0722)
    luma, cb, cr = (y - 16.0) / 219, (u - 128.0) / 224, (v - 128.0) / 224
    r, b = luma + 2 * (1 - kr) * cr, luma + 2 * (1 - kb) * cb
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    return (255 * np.stack([r, g, b], axis=-1)).round().clip(0, 255)


def rgb(frame):
    """The RGB picture of a decoded frame of even size."""
    y, u, v = planes(frame)
    return to_rgb(frame, y, u.repeat(2, 0).repeat(2, 1), v.repeat(2, 0).repeat(2, 1)).astype(np.uint8)


def is_colour(frame, colour, within=8):
    """Whether a decoded frame of `image` has this background, as the mean of a strip below the square."""
    y, u, v = planes(frame)
    found = to_rgb(frame, y[-64:-8, 8:-8].mean(), u[-32:-4, 4:-4].mean(), v[-32:-4, 4:-4].mean())
    return bool(np.all(np.abs(found - colour) <= within))


class Failing:
    """A real encoder whose calls fail while `error` is set."""

    error = None
    at_open = None
    opened = 0

    def __init__(self, *arguments, **settings):
        if Failing.at_open is not None:
            raise Failing.at_open
        Failing.opened += 1
        vars(self)["real"] = direct264.Encoder(*arguments, **settings)

    def __getattr__(self, name):
        return getattr(vars(self)["real"], name)

    def __setattr__(self, name, value):
        setattr(vars(self)["real"], name, value)

    def encode(self, *arguments, **settings):
        if Failing.error is not None:
            raise Failing.error
        return vars(self)["real"].encode(*arguments, **settings)

    @classmethod
    def install(cls, monkeypatch):
        """Has the drop-in open such encoders until the end of a test."""
        monkeypatch.setattr(_options, "Encoder", cls)
        for name, value in (("error", None), ("at_open", None), ("opened", 0)):
            monkeypatch.setattr(cls, name, value)
        return cls


class Track(aiortc.VideoStreamTrack):
    """`frame` of the number of each frame, in real time."""

    def __init__(self, make=frame):
        super().__init__()
        self.make = make
        self.number = 0

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        made = self.make(self.number)
        made.pts, made.time_base = pts, time_base
        self.number += 1
        return made


class Call:
    """Two peers in one process: one sends tracks, the other decodes them."""

    def __init__(self, *tracks, prepare=lambda sender: None):
        configuration = aiortc.RTCConfiguration(iceServers=[])
        self.near, self.far = (aiortc.RTCPeerConnection(configuration) for _ in range(2))
        self.tracks = tracks or (Track(),)
        self.senders = [self.near.addTransceiver(track, direction="sendonly").sender for track in self.tracks]
        for sender in self.senders:
            prepare(sender)
        self.shown = [[] for _ in self.tracks]
        self._readers = []
        self.far.on("track", self._read)

    def _read(self, remote):
        received = self.shown[len(self._readers)]

        async def read():
            try:
                while True:
                    received.append(await remote.recv())
            except aiortc.mediastreams.MediaStreamError:
                pass

        self._readers.append(asyncio.ensure_future(read()))

    async def __aenter__(self):
        await self.near.setLocalDescription(await self.near.createOffer())
        await self.far.setRemoteDescription(self.near.localDescription)
        await self.far.setLocalDescription(await self.far.createAnswer())
        await self.near.setRemoteDescription(self.far.localDescription)
        return self

    async def __aexit__(self, *_error):
        await self.near.close()
        await self.far.close()
        await asyncio.gather(*self._readers)

    async def frames(self, count, at=0):
        """Waits for so many more decoded frames of the sender `at`, and returns them."""
        first = len(self.shown[at])
        await until(lambda: len(self.shown[at]) >= first + count)
        return self.shown[at][first:]

    @property
    def encoders(self):
        return [sender._RTCRtpSender__encoder for sender in self.senders]

    async def ask_for_keyframe(self, at=0):
        """Sends a PLI from the receiver."""
        await self.far.getReceivers()[at]._send_rtcp_pli(self.senders[at]._ssrc)


async def until(holds, seconds=30):
    """Waits until a condition holds."""
    for _ in range(int(seconds / 0.01)):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{holds} does not hold within {seconds} s")
