"""Frames in host memory: every kind of object gives the picture that it shows."""

import array
import threading

import av
import numpy as np
import pytest
from conftest import decoded, drawing, psnr

import direct264

SIZE = (320, 240)


def opened(width=SIZE[0], height=SIZE[1], **settings):
    return direct264.Encoder(width, height, fps=30, bitrate=4_000_000, backend="openh264", **settings)


def coded(frame, **arguments):
    with opened() as encoder:
        return bytes(encoder.encode(frame, **arguments))


def shown(frame, **arguments):
    [picture] = decoded([coded(frame, **arguments)])
    return picture


RGB = drawing(*SIZE)
RGBA = np.dstack([RGB, np.full(RGB.shape[:2], 7, np.uint8)])
I420 = av.VideoFrame.from_ndarray(RGB, format="rgb24").reformat(format="yuv420p").to_ndarray()
NV12 = av.VideoFrame.from_ndarray(RGB, format="rgb24").reformat(format="nv12").to_ndarray()


def padded(picture, columns=24):
    """The picture in rows with padding."""
    wide = np.full((picture.shape[0], picture.shape[1] + columns, *picture.shape[2:]), 99, np.uint8)
    wide[:, : picture.shape[1]] = picture
    return wide[:, : picture.shape[1]]


class Tensor:
    """A tensor on the CPU without the buffer protocol, as torch's."""

    def __init__(self, of, *, knows_versions=True):
        self.of, self.knows_versions = of, knows_versions

    def __dlpack_device__(self):
        return self.of.__dlpack_device__()

    def __dlpack__(self, **asked):
        if "max_version" in asked and not self.knows_versions:
            raise TypeError("__dlpack__() got an unexpected keyword argument 'max_version'")
        return self.of.__dlpack__(**asked)


@pytest.mark.parametrize("fmt", ["yuv420p", "nv12", "rgb24", "bgr24", "rgba", "bgra"])
def test_frames_of_pyav(fmt):
    frame = av.VideoFrame.from_ndarray(RGB, format="rgb24").reformat(format=fmt)
    assert psnr(shown(frame), RGB) > 32
    as_array = frame.to_ndarray()
    assert coded(frame) == coded(as_array, format=fmt.replace("yuv420p", "i420")), "the same memory in another hull"


def test_full_range_is_taken_where_the_stream_is_of_full_range():
    frame = av.VideoFrame.from_ndarray(RGB, format="rgb24").reformat(format="yuvj420p")
    with pytest.raises(direct264.FrameError, match="full_range=True"):
        coded(frame)
    with opened(full_range=True) as encoder:
        assert encoder.encode(frame).is_idr


@pytest.mark.parametrize("odd", [(321, 240), (320, 241), (321, 241)])
def test_odd_sizes(odd):
    picture = drawing(*odd)
    with opened(*odd) as encoder:
        [seen] = decoded([encoder.encode(picture)])
    assert psnr(seen[: odd[1], : odd[0]], picture) > 32


@pytest.mark.parametrize("pack", [lambda a: a, padded, Tensor, lambda a: Tensor(a, knows_versions=False), memoryview])
def test_arrays_of_every_kind_show_the_same(pack):
    assert coded(pack(RGB)) == coded(RGB)
    assert coded(pack(RGB), format="bgr24") == coded(RGB, format="bgr24")
    assert coded(pack(RGBA)) == coded(RGBA)
    assert coded(pack(NV12), format="nv12") == coded(NV12, format="nv12")
    assert coded(pack(I420), format="i420") == coded(I420, format="i420")


def test_tensors_of_a_library_without_the_buffer_protocol():
    tvm_ffi = pytest.importorskip("tvm_ffi")
    tensor = tvm_ffi.from_dlpack(RGB.copy())
    with pytest.raises(TypeError):
        memoryview(tensor)
    assert coded(tensor) == coded(RGB)
    with pytest.raises(direct264.FrameError, match="uint8"):
        coded(tvm_ffi.from_dlpack(RGB.astype(np.float32)))


def test_rgb_in_each_order_shows_the_same_picture():
    assert coded(RGB) == coded(np.ascontiguousarray(RGB[..., ::-1]), format="bgr24")
    assert coded(RGBA) == coded(np.ascontiguousarray(RGBA[..., [2, 1, 0, 3]]), format="bgra")


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[..., ::-1],
        lambda a: a[::-1],
        lambda a: a[:, ::-1],
        lambda a: a[::-1, ::-1, ::-1],
        lambda a: np.repeat(np.repeat(a, 2, 0), 2, 1)[::2, ::2],
        lambda a: np.asfortranarray(a),
        lambda a: np.dstack([a, a])[..., :3],
        lambda a: np.dstack([a, a[..., :1]])[..., :3],
    ],
)
def test_any_strides(view):
    seen = view(RGB)
    assert coded(seen) == coded(np.ascontiguousarray(seen))
    assert coded(Tensor(seen)) == coded(np.ascontiguousarray(seen))


def test_strides_of_4_to_2_to_0():
    for picture, fmt in [(NV12, "nv12"), (I420, "i420")]:
        seen = np.repeat(picture, 2, 1)[:, ::2]
        assert coded(seen, format=fmt) == coded(picture, format=fmt)
    # Four channels in reverse are no order that has a name, and are read as shown.
    assert coded(RGBA[..., ::-1]) == coded(np.ascontiguousarray(RGBA[..., ::-1]))


@pytest.mark.parametrize("pack", [bytes, bytearray, memoryview, lambda raw: array.array("B", raw)])
def test_whole_frames_as_bytes(pack):
    for picture, fmt in [(I420, "i420"), (NV12, "nv12"), (RGB, "rgb24"), (RGBA, "rgba")]:
        assert coded(pack(picture.tobytes()), format=fmt) == coded(picture, format=fmt)


def test_read_only_memory_is_read():
    picture = RGB.copy()
    picture.flags.writeable = False
    assert coded(picture) == coded(RGB)


@pytest.mark.parametrize(
    ("frame", "arguments", "error", "words"),
    [
        (None, {}, TypeError, "NoneType"),
        ("picture", {}, TypeError, "type str"),
        ([[1, 2], [3, 4]], {}, TypeError, "type list"),
        (RGB.astype(np.float32), {}, ValueError, "uint8"),
        (RGB.astype(np.int8), {}, ValueError, "uint8"),
        (RGB.astype(np.uint16), {}, ValueError, "uint8"),
        (Tensor(RGB.astype(np.float32)), {}, ValueError, "uint8"),
        (NV12, {}, ValueError, "format='nv12' or 'i420'"),
        (NV12, {"format": "rgb24"}, ValueError, "4:2:0"),
        (NV12[:-1], {"format": "nv12"}, ValueError, "height * 3 / 2"),
        (NV12[:, :-1], {"format": "nv12"}, ValueError, "even"),
        (RGB, {"format": "rgba"}, ValueError, "'rgb24' and 'bgr24'"),
        (RGBA, {"format": "bgr24"}, ValueError, "'rgba' and 'bgra'"),
        (RGB, {"format": "yuv444p"}, ValueError, 'format="yuv444p"'),
        (RGB[..., :2], {}, ValueError, "no picture"),
        (np.zeros((0, 320, 3), np.uint8), {}, ValueError, "320x0"),
        (np.zeros((0, 0), np.uint8), {"format": "nv12"}, ValueError, "4:2:0"),
        (np.zeros((4, 4, 4, 3), np.uint8), {}, ValueError, "no picture"),
        (b"", {"format": "i420"}, ValueError, "115200 are needed"),
        (b"\0" * 100, {"format": "i420"}, ValueError, "115200 are needed"),
        (I420.tobytes(), {}, ValueError, "needs format"),
        (av.VideoFrame(320, 240, "yuv444p"), {}, ValueError, "reformat"),
        (RGB, {"refresh_frames": 0}, ValueError, "refresh_frames=0"),
        (RGB, {"quality": 3}, TypeError, "quality"),
        (RGB, {"pts": "now"}, TypeError, ""),
    ],
)
def test_frames_that_do_not_fit_are_named(frame, arguments, error, words):
    with opened() as encoder:
        encoder.encode(RGB)
        with pytest.raises(error) as raised:
            encoder.encode(frame, **arguments)
        assert words in str(raised.value)
        assert not encoder.encode(RGB).is_idr, "the encoder is still good"


def test_a_capsule_that_is_none_is_refused():
    class Odd(Tensor):
        def __dlpack__(self, **_asked):
            return 3

    class Far(Tensor):
        def __dlpack_device__(self):
            return (10, 0)

    for odd, words in [(Odd(RGB), "no DLPack capsule"), (Far(RGB), "kind 10")]:
        with opened() as encoder, pytest.raises(direct264.FrameError, match=words):
            encoder.encode(odd)


def test_memory_that_is_written_meanwhile_gives_a_picture_and_nothing_else():
    picture, is_done = RGB.copy(), threading.Event()

    def write():
        while not is_done.is_set():
            picture[:] = np.random.default_rng().integers(0, 255, (), np.uint8)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with opened() as encoder:
            units = [encoder.encode(picture) for _ in range(30)]
            units += [encoder.encode(picture[::-1]) for _ in range(5)]
    finally:
        is_done.set()
        writer.join()
    assert len(decoded(units)) == 35
