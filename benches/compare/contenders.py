"""The contenders. Each encodes a clip and returns milliseconds, CPU milliseconds and bytes of each frame, and the stream."""

import fractions
import subprocess
import time

import av
from av.video.frame import PictureType

from clips import FPS


class Direct264:
    """The library, timed inside its own process round the call of `encode`."""

    def __init__(self, tool, slices):
        self.tool = tool
        self.how = str(slices)
        plural = "s" if slices > 1 else ""
        self.name = f"direct264 openh264, {slices} slice{plural} / thread{plural}"

    def encode(self, clip, bitrate, work):
        source, stream = work / f"clip-{clip.name}.y4m", work / "direct264.h264"
        if not source.exists():
            clip.write(source)
        command = [self.tool, source, stream, str(bitrate), self.how]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        frames = []
        for line in output.splitlines():
            wall, cpu, size = line.split()
            frames.append((float(wall) / 1e3, float(cpu) / 1e3, int(size)))
        return frames, [stream.read_bytes()]


class Library(Direct264):
    """openh264 through the crate of that name, with its own rate control: what our backend is built on."""

    name = "openh264 by itself, 1 thread"

    def __init__(self, tool):
        self.tool = tool
        self.how = "library"


class X264:
    """libx264 through libav, as a real-time caller sets it: one IDR, no lookahead, its own default profile."""

    def __init__(self, preset, threads):
        self.preset = preset
        self.threads = threads
        self.name = f"x264 {preset} zerolatency, {threads} thread{'s' if threads > 1 else ''}"

    def encode(self, clip, bitrate, work):
        codec = av.CodecContext.create("libx264", "w")
        codec.width, codec.height, codec.pix_fmt = clip.width, clip.height, "yuv420p"
        codec.bit_rate = bitrate
        codec.framerate, codec.time_base = fractions.Fraction(FPS), fractions.Fraction(1, FPS)
        codec.gop_size = 100_000
        codec.thread_count = self.threads
        codec.options = {"preset": self.preset, "tune": "zerolatency", "sc_threshold": "0"}
        return timed(clip, lambda frame: [bytes(packet) for packet in codec.encode(frame)])


class Aiortc:
    """aiortc's own encoder, as it is, the making of RTP payloads included: that is what its user waits for."""

    name = "aiortc H264Encoder.encode"

    def encode(self, clip, bitrate, work):
        from aiortc.codecs import h264

        # It would not go above 3 Mbit/s.
        h264.MAX_BITRATE = max(h264.MAX_BITRATE, bitrate)
        encoder = h264.H264Encoder()
        encoder.target_bitrate = bitrate
        frames, payloads = timed(clip, lambda frame: encoder.encode(frame)[0])
        return frames, [h264.h264_depayload(payload) for payload in payloads]


def timed(clip, encode):
    """One frame in, its bytes out, with a clock round the call; every frame is there before the first is timed."""
    frames = [av.VideoFrame.from_ndarray(picture, format="yuv420p") for picture in clip.pictures]
    told, stream = [], []
    for index, frame in enumerate(frames):
        frame.pts, frame.time_base, frame.pict_type = index, fractions.Fraction(1, FPS), PictureType.NONE
        start, cpu = time.perf_counter(), time.process_time()
        coded = encode(frame)
        took = ((time.perf_counter() - start) * 1e3, (time.process_time() - cpu) * 1e3)
        told.append((*took, sum(len(part) for part in coded)))
        stream.extend(coded)
    return told, stream


def everyone(tool):
    """Every contender; the others are compared with the first."""
    rivals = [X264(preset, threads) for preset in ("ultrafast", "superfast", "veryfast") for threads in (1, 2)]
    return [Direct264(tool, 2), Direct264(tool, 1), Library(tool), *rivals, Aiortc()]
