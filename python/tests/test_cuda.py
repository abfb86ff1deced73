"""Arrays in CUDA device memory, on the driver double: one violation of an order or a lifetime fails the test."""

from pathlib import Path

import pytest
from conftest import run_on_double

HEAD = """
import gc, sys
import numpy as np
import direct264
from conftest import decoded, drawing, psnr
from cuda_arrays import *
import av

WIDTH, HEIGHT = 320, 192

def rgb(number):
    return drawing(WIDTH, HEIGHT, number)

def nv12(number):
    return av.VideoFrame.from_ndarray(rgb(number), format="rgb24").reformat(format="nv12").to_ndarray()

def rgba(number):
    return np.dstack([rgb(number), np.full((HEIGHT, WIDTH), 9, np.uint8)])

def opened(**settings):
    return direct264.Encoder(WIDTH, HEIGHT, **{"fps": 30, "bitrate": 3_000_000, **settings})

def whole(units, first=0):
    shown = decoded(units)
    assert len(shown) == len(units)
    for number, picture in enumerate(shown):
        assert psnr(picture, rgb(first + number)) > 30, (number, psnr(picture, rgb(first + number)))
"""


@pytest.fixture
def run(double: Path, tmp_path: Path):
    def run(script: str, **environment: str) -> str:
        return run_on_double(double, HEAD + script, tmp_path / "report.json", **environment)

    return run


@pytest.mark.parametrize("kind", ["Cupy", "Tensor"])
@pytest.mark.parametrize("stream", ["None", "Stream()"])
def test_arrays_are_read_on_the_gpu_and_may_be_freed_at_once(run, kind, stream):
    run(f"""
with Context():
    stream = {stream}
    with opened() as encoder:
        units = []
        for number in range(6):
            array = {kind}(nv12(number), stream, pitch=512)
            units.append(encoder.encode(array))
            array.free()
        assert {{unit.backend for unit in units}} == {{"nvenc"}}
        assert [unit.is_idr for unit in units] == [True] + 5 * [False]
    whole(units)
    if stream: stream.destroy()
""")


def test_arrays_that_are_kept_are_read_in_place_until_forgotten(run):
    run("""
with Context():
    stream = Stream()
    array = Cupy(nv12(0), stream, pitch=512)
    with opened() as encoder:
        before, units = sys.getrefcount(array), []
        for number in range(6):
            array.write(nv12(number))
            units.append(encoder.encode(array, keep=True))
        assert sys.getrefcount(array) == before + 1
        encoder.forget_cuda(array.address.value)
        assert sys.getrefcount(array) == before
        array.free()
    whole(units)
    stream.destroy()
""")


def test_the_producer_of_a_tensor_orders_its_work_or_the_caller_names_the_stream(run):
    run("""
with Context():
    stream = Stream()
    with opened() as encoder:
        tensors = [Tensor(nv12(n), stream, version=version) for n, version in enumerate([(1, 0), None, (1, 3)])]
        units = [encoder.encode(tensor) for tensor in tensors]
        assert [tensor.asked for tensor in tensors] == [[1], [1], [1]]
        old, last = OldTorch(nv12(3), stream), Tensor(nv12(4), stream)
        units += [encoder.encode(array, stream=stream.handle.value) for array in (old, last)]
        assert last.asked == [-1]
        assert all(tensor.exported == tensor.deleted == 1 for tensor in [*tensors, last])
    whole(units)
    for array in [*tensors, old, last]:
        array.free()
    stream.destroy()
""")


def test_the_c_table_of_a_producer_names_its_stream(run):
    run("""
with Context():
    stream = TableTensor.current = Stream()
    with opened() as encoder:
        tensors = [TableTensor(nv12(number), stream, pitch=512) for number in range(4)]
        units = [encoder.encode(tensor) for tensor in tensors]
        # Only the table's function asked, and no event was recorded for the encoder.
        assert all(tensor.asked == [None] and tensor.exported == tensor.deleted == 1 for tensor in tensors)
        assert {unit.backend for unit in units} == {"nvenc"}
    whole(units)
    for tensor in tensors:
        tensor.free()
    stream.destroy()
""")


def test_a_stream_that_nobody_names_is_found_by_the_double(double, tmp_path):
    """The negative control of the tests here."""
    with pytest.raises(AssertionError, match="stream"):
        run_on_double(
            double,
            HEAD
            + """
with Context():
    stream = Stream()
    with opened() as encoder:
        array = OldTorch(nv12(0), stream)
        for number in range(3):
            # The first frame allocates, for which the driver waits for every stream.
            array.write(nv12(number))
            encoder.encode(array)
    array.free()
    stream.destroy()
""",
            tmp_path / "report.json",
        )


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
def test_pixels_of_four_bytes(run, matrix):
    run(f"""
with Context():
    with opened(matrix="{matrix}") as encoder:
        array = Cupy(rgba(0))
        units = [encoder.encode(array)]
        array.write(rgba(1)[..., [2, 1, 0, 3]])
        units.append(encoder.encode(array, format="bgra"))
        array.free()
    for number, picture in enumerate(decoded(units)):
        assert psnr(picture, rgb(number)) > 24, psnr(picture, rgb(number))
""")


def test_software_reads_device_memory_too(run):
    run("""
with Context():
    stream = Stream()
    with opened(backend="openh264") as encoder:
        units = []
        for number in range(4):
            array = Tensor(nv12(number), stream)
            units.append(encoder.encode(array))
            array.free()
        assert {unit.backend for unit in units} == {"openh264"}
    whole(units)
    stream.destroy()
""")


def test_a_driver_that_fails_costs_no_frame(run):
    run(
        """
with Context():
    with opened() as encoder:
        units = []
        for number in range(8):
            array = Cupy(nv12(number))
            units.append(encoder.encode(array))
            array.free()
        assert [unit.backend for unit in units] == 3 * ["nvenc"] + 5 * ["openh264"]
        assert [unit.is_idr for unit in units] == [n in (0, 3) for n in range(8)]
        [fell_back] = [event for event in encoder.take_events() if event.kind == "fell_back"]
        assert fell_back.reason == "driver_error" and fell_back.detail["to"] == "openh264"
        assert encoder.counters.fallbacks == 1
    whole(units)
""",
        D264_DOUBLE_FAULT="nvEncEncodePicture:4+=20",
    )


def test_a_driver_that_hangs_keeps_the_array_until_it_has_let_go(run):
    run(
        """
import time
with Context():
    limits = direct264.Nvenc(limits=(10.0, 0.8, 0.8))
    with opened(nvenc=limits, failover=direct264.Failover(retry=None)) as encoder:
        units = []
        for number in range(3):
            array = Cupy(nv12(number))
            units.append(encoder.encode(array))
            array.free()
        late = Cupy(nv12(3))
        before = sys.getrefcount(late)
        units.append(encoder.encode(late))
        assert units[-1].backend == "openh264" and units[-1].is_idr, units
        assert sys.getrefcount(late) == before + 1, "the GPU may still read it"
        number = 4
        while sys.getrefcount(late) > before:
            array = Cupy(nv12(number))
            units.append(encoder.encode(array))
            array.free()
            number += 1
            time.sleep(0.01)
        late.free()
    whole(units)
""",
        D264_DOUBLE_FAULT="nvEncLockBitstream:4=hang2500",
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        ("Cupy(np.zeros((HEIGHT, WIDTH, 3), np.uint8))", "NV12 as height * 3 / 2 x width"),
        ("Tensor(nv12(0), bits=16)", "uint8"),
        ("Tensor(nv12(0), version=(2, 0))", "DLPack 2"),
        ("Tensor(nv12(0), device=(10, 0))", "kind 10"),
        ("Cupy(np.zeros((7, WIDTH), np.uint8))", "height * 3 / 2"),
        ("type('Odd', (Cupy,), {'__cuda_array_interface__': {'shape': (4, 4)}})(nv12(0))", "no"),
        ("type('Odd', (Cupy,), {'strides': (-512, 1)})(nv12(0))", "packed"),
    ],
)
def test_arrays_that_do_not_fit_are_named(run, make, words):
    run(f"""
with Context():
    with opened() as encoder:
        array = {make}
        try:
            encoder.encode(array)
            raise SystemExit("taken")
        except ValueError as error:
            assert {words!r} in str(error), str(error)
        assert encoder.encode(rgb(0)).backend == "nvenc"
        array.free()
""")


def test_addresses_and_streams_that_are_none(run):
    run("""
class Address:
    def __init__(self, address, **more):
        self.__cuda_array_interface__ = {"shape": (HEIGHT * 3 // 2, WIDTH), "typestr": "|u1", "version": 3,
                                         "data": (address, False), **more}

with Context():
    with opened() as encoder:
        encoder.encode(rgb(0))
        host = np.zeros((HEIGHT * 3 // 2, WIDTH), np.uint8)
        for wrong, arguments, words in [
            (Address(0), {}, "no CUDA device memory"),
            (Address(host.ctypes.data), {}, "no CUDA device memory"),
            (Address(1 << 40, stream=0), {}, "stream 0"),
            (Address(1 << 40, mask=host), {}, "masked"),
            (Address(1 << 40, typestr="<f4"), {}, "uint8"),
            (Address(1 << 40), {"stream": 2}, "per-thread default stream"),
        ]:
            try:
                encoder.encode(wrong, **arguments)
                raise SystemExit("taken")
            except direct264.FrameError as error:
                assert words in str(error), str(error)
        assert encoder.encode(rgb(1)).backend == "nvenc"
""")


def test_every_tensor_is_given_back(run):
    run(
        """
with Context():
    with opened() as encoder:
        tensor = Tensor(nv12(0))
        for _ in range(300):
            encoder.encode(tensor)
            tensor.kept.clear()
        assert tensor.exported == tensor.deleted == 300
        tensor.free()
""",
        D264_DOUBLE_ENCODE="canned",
    )


def test_encoders_on_the_double_end_with_the_interpreter(run):
    run("encoder = opened(); encoder.encode(rgb(0)); print(encoder.backend)")
