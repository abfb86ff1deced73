"""Prints a hash of each stream that the software backend codes from drawn frames: the same on every machine."""

import hashlib

import numpy as np

import direct264


def drawing(number: int) -> np.ndarray:
    y, x = np.mgrid[0:240, 0:320]
    return np.stack([x + 3 * number, y + 2 * number, (x * y >> 6) + number], axis=-1).astype(np.uint8)


for profile in ("constrained_baseline", "main", "high"):
    for slices in (1, 2):
        encoder = direct264.Encoder(
            320, 240, fps=30, bitrate=600_000, backend="openh264", profile=profile, slices=slices, threads=1
        )
        with encoder:
            stream = b"".join(bytes(encoder.encode(drawing(number), idr=number == 7)) for number in range(20))
        print(profile, slices, len(stream), hashlib.sha256(stream).hexdigest())
