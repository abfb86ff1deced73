"""Arrays in device memory, as cupy and torch make them, by ctypes on whatever `libcuda.so.1` is loaded."""

from __future__ import annotations

import ctypes

import numpy as np

DRIVER = ctypes.CDLL("libcuda.so.1")


def call(name, *args):
    status = getattr(DRIVER, name)(*args)
    if status:
        raise RuntimeError(f"{name}: {status}")


class Context:
    """The primary context of GPU 0, current on this thread."""

    def __enter__(self):
        call("cuInit", 0)
        device, context = ctypes.c_int(), ctypes.c_void_p()
        call("cuDeviceGet", ctypes.byref(device), 0)
        call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        call("cuCtxPushCurrent_v2", context)
        return self

    def __exit__(self, *_error):
        call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))
        call("cuDevicePrimaryCtxRelease_v2", 0)


class Stream:
    """A stream for which the default stream does not wait."""

    def __init__(self):
        self.handle = ctypes.c_void_p()
        call("cuStreamCreate", ctypes.byref(self.handle), 1)

    def destroy(self):
        call("cuStreamSynchronize", self.handle)
        call("cuStreamDestroy_v2", self.handle)


class Copy2D(ctypes.Structure):
    _fields_ = [
        ("src_x", ctypes.c_size_t),
        ("src_y", ctypes.c_size_t),
        ("src_kind", ctypes.c_int),
        ("src_host", ctypes.c_void_p),
        ("src_device", ctypes.c_uint64),
        ("src_array", ctypes.c_void_p),
        ("src_pitch", ctypes.c_size_t),
        ("dst_x", ctypes.c_size_t),
        ("dst_y", ctypes.c_size_t),
        ("dst_kind", ctypes.c_int),
        ("dst_host", ctypes.c_void_p),
        ("dst_device", ctypes.c_uint64),
        ("dst_array", ctypes.c_void_p),
        ("dst_pitch", ctypes.c_size_t),
        ("bytes", ctypes.c_size_t),
        ("rows", ctypes.c_size_t),
    ]


class Array:
    """Rows of bytes in device memory, `pitch` bytes apart."""

    def __init__(self, picture, stream=None, pitch=None):
        self.shape, self.stream = picture.shape, stream
        self.row = int(np.prod(self.shape[1:]))
        self.pitch = pitch or self.row
        self.address = ctypes.c_uint64()
        call("cuMemAlloc_v2", ctypes.byref(self.address), ctypes.c_size_t(self.pitch * self.shape[0]))
        self.write(picture)

    def write(self, picture):
        self.host = np.ascontiguousarray(picture)
        copy = Copy2D(
            src_kind=1,
            src_host=self.host.ctypes.data,
            src_pitch=self.row,
            dst_kind=2,
            dst_device=self.address.value,
            dst_pitch=self.pitch,
            bytes=self.row,
            rows=self.shape[0],
        )
        if self.stream is None:
            call("cuMemcpy2D_v2", ctypes.byref(copy))
        else:
            call("cuMemcpy2DAsync_v2", ctypes.byref(copy), self.stream.handle)

    def free(self):
        call("cuMemFree_v2", self.address)

    @property
    def strides(self):
        inner = [1] * len(self.shape)
        for axis in range(len(self.shape) - 2, 0, -1):
            inner[axis] = inner[axis + 1] * self.shape[axis + 1]
        return (self.pitch, *inner[1:])


class Cupy(Array):
    """An array that names its stream: version 3 of the interface."""

    version = 3

    @property
    def __cuda_array_interface__(self):
        told = {
            "shape": self.shape,
            "typestr": "|u1",
            "data": (self.address.value, False),
            "version": self.version,
            "strides": self.strides,
        }
        if self.version >= 3:
            told["stream"] = self.stream.handle.value if self.stream else 1
        return told


class OldTorch(Cupy):
    """An array that names no stream: version 2 of the interface."""

    version = 2


class Dl(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class Managed(ctypes.Structure):
    _fields_ = [("tensor", Dl), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]


class Versioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", Dl),
    ]


new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.restype = ctypes.py_object
new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
# A capsule refers to its name, which has to outlive it.
OLD_NAME, NEW_NAME = ctypes.create_string_buffer(b"dltensor"), ctypes.create_string_buffer(b"dltensor_versioned")
DELETER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Tensor(Array):
    """A DLPack producer as torch is one: it makes the consumer's stream wait for its own work."""

    def __init__(self, picture, stream=None, pitch=None, *, version=(1, 0), bits=8, device=(2, 0)):
        super().__init__(picture, stream, pitch)
        self.version, self.bits, self.device = version, bits, device
        self.exported = self.deleted = 0
        self.asked = []
        self.kept = []

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, *, stream=None, **more):
        if more and self.version is None:
            raise TypeError(f"unexpected keyword argument {next(iter(more))}")
        self.asked.append(stream)
        if stream not in (-1, None) and self.stream:
            event = ctypes.c_void_p()
            call("cuEventCreate", ctypes.byref(event), 2)
            call("cuEventRecord", event, self.stream.handle)
            call("cuStreamWaitEvent", ctypes.c_void_p(0 if stream == 1 else stream), event, 0)
            call("cuEventDestroy_v2", event)
        shape = (ctypes.c_int64 * len(self.shape))(*self.shape)
        strides = (ctypes.c_int64 * len(self.shape))(*self.strides)
        tensor = Dl(self.address.value, *self.device, len(self.shape), 1, self.bits, 1, shape, strides, 0)
        deleter = DELETER(self._deleted)
        address = ctypes.cast(deleter, ctypes.c_void_p).value
        if self.version is None:
            made, name = Managed(tensor, None, address), OLD_NAME
        else:
            made, name = Versioned(*self.version, None, address, 0, tensor), NEW_NAME
        self.kept.append((shape, strides, deleter, made, name))
        self.exported += 1
        return new_capsule(ctypes.addressof(made), ctypes.addressof(name), None)

    def _deleted(self, _pointer):
        self.deleted += 1


FROM_OBJECT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(ctypes.c_void_p))
CURRENT_STREAM = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int32, ctypes.c_int32, ctypes.POINTER(ctypes.c_void_p))


class Table(ctypes.Structure):
    """`DLPackExchangeAPI` of dlpack.h 1.3."""

    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("older", ctypes.c_void_p),
        ("allocator", ctypes.c_void_p),
        ("from_object", FROM_OBJECT),
        ("to_object", ctypes.c_void_p),
        ("borrow", ctypes.c_void_p),
        ("current_stream", CURRENT_STREAM),
    ]


class TableTensor(Tensor):
    """A DLPack producer with the C table, as new versions of torch are: nothing is asked by Python's calls."""

    current = None
    """The stream on which the producer works now."""

    @FROM_OBJECT
    def _from_object(tensor, exported):
        Tensor.__dlpack__(tensor, max_version=(1, 0))
        exported[0] = ctypes.addressof(tensor.kept[-1][3])
        return 0

    @CURRENT_STREAM
    def _current_stream(kind, number, stream):
        assert (kind, number) == (2, 0)
        stream[0] = TableTensor.current.handle.value
        return 0

    # A table that nobody knows stands in front of the one that is taken.
    table = Table(1, 3, None, None, _from_object, None, None, _current_stream)
    newer = Table(2, 0, ctypes.addressof(table))
    name = ctypes.create_string_buffer(b"dlpack_exchange_api")
    __dlpack_c_exchange_api__ = new_capsule(ctypes.addressof(newer), ctypes.addressof(name), None)
