"""RTP payloads: byte for byte what aiortc makes."""

import pytest
from conftest import drawing

import direct264

h264 = pytest.importorskip("aiortc.codecs.h264")


@pytest.mark.parametrize("bitrate", [200_000, 2_000_000, 20_000_000])
@pytest.mark.parametrize("slices", [1, 4, 12])
def test_payloads_are_aiortcs(bitrate, slices):
    with direct264.Encoder(640, 480, fps=30, bitrate=bitrate, slices=slices, backend="openh264") as encoder:
        units = [encoder.encode(drawing(640, 480, n)) for n in range(6)]
    for unit in units:
        theirs = h264.H264Encoder._packetize(h264.H264Encoder._split_bitstream(bytes(unit)))
        assert unit.rtp_payloads(h264.PACKET_MAX) == theirs
        assert all(len(payload) <= 100 for payload in unit.rtp_payloads(100))


def test_a_payload_that_holds_nothing_is_refused():
    with direct264.Encoder(64, 64, fps=30, bitrate=100_000, backend="openh264") as encoder:
        unit = encoder.encode(drawing(64, 64))
    with pytest.raises(ValueError, match="max_bytes=15"):
        unit.rtp_payloads(15)
