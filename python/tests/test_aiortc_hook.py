"""Preferences and attachments: what they change in aiortc, and that they change it back."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import subprocess
import sys
import weakref

import aiortc
import aiortc.rtcpeerconnection
import aiortc.rtcrtpsender
import pytest
from aiortc.codecs import CODECS
from aiortc.codecs.h264 import H264Encoder as Libx264
from pictures import H264, VP8, Call, Track, until

import direct264
import direct264.aiortc as drop_in


def state():
    """All that the drop-in may change."""
    return (
        aiortc.rtcrtpsender.get_encoder,
        aiortc.rtcpeerconnection.find_common_codecs,
        aiortc.RTCRtpSender._next_encoded_frame,
        vars(Libx264).copy(),
        [(id(codec), codec.payloadType) for codec in CODECS["video"]],
    )


BEFORE = state()


@pytest.fixture(autouse=True)
def as_it_was():
    yield
    drop_in.restore()
    assert state() == BEFORE


def kind(codec=H264):
    return type(aiortc.rtcrtpsender.get_encoder(codec))


def names():
    return [codec.name for codec in CODECS["video"]]


def test_a_preference_holds_until_it_is_restored():
    assert kind() is Libx264
    preference = drop_in.prefer()
    assert kind() is drop_in.H264Encoder and kind(VP8).__name__ == "Vp8Encoder"
    preference.restore()
    preference.restore()
    assert state() == BEFORE
    with drop_in.prefer():
        assert kind() is drop_in.H264Encoder
    assert state() == BEFORE


def test_preferences_nest_and_the_newest_counts():
    def limit():
        return aiortc.rtcrtpsender.get_encoder(H264).options.max_bitrate

    first = drop_in.prefer(drop_in.Options(max_bitrate=4_000_000))
    second = drop_in.prefer(drop_in.Options(max_bitrate=9_000_000))
    third = drop_in.prefer(drop_in.Options(max_bitrate=9_000_000))
    assert limit() == 9_000_000
    third.restore()
    assert limit() == 9_000_000
    first.restore()
    assert limit() == 9_000_000
    second.restore()
    assert state() == BEFORE


def test_restore_ends_all_of_them():
    for _ in range(3):
        drop_in.prefer()
    drop_in.restore()
    assert state() == BEFORE


def test_a_preference_ends_when_its_block_raises():
    with pytest.raises(ZeroDivisionError), drop_in.prefer():
        raise ZeroDivisionError
    assert state() == BEFORE


def plainly(before, asked):
    def theirs(codec):
        asked.append(codec)
        return before(codec)

    return theirs


def by_wraps(before, asked):
    @functools.wraps(before)
    def theirs(*arguments):
        asked.append(arguments)
        return before(*arguments)

    return theirs


@pytest.mark.parametrize("wrap", [plainly, by_wraps])
def test_a_wrapper_of_somebody_else_survives_and_hears_every_call(wrap, monkeypatch):
    asked = []
    preference = drop_in.prefer()
    theirs = wrap(aiortc.rtcrtpsender.get_encoder, asked)
    monkeypatch.setattr(aiortc.rtcrtpsender, "get_encoder", theirs)
    with drop_in.prefer():
        assert kind() is drop_in.H264Encoder and len(asked) == 1, "a second preference goes through their wrapper too"
    preference.restore()
    assert aiortc.rtcrtpsender.get_encoder is theirs
    assert kind() is Libx264 and len(asked) == 2
    with drop_in.prefer():
        assert aiortc.rtcrtpsender.get_encoder is theirs and kind() is drop_in.H264Encoder
    # They leave as well, and put back what they found: the drop-in's wrapper, which passes calls on.
    monkeypatch.undo()
    assert kind() is Libx264


def test_a_function_that_somebody_else_put_there_before_comes_back(monkeypatch):
    def theirs(codec):
        return BEFORE[0](codec)

    monkeypatch.setattr(aiortc.rtcrtpsender, "get_encoder", theirs)
    with drop_in.prefer():
        assert kind() is drop_in.H264Encoder
    assert aiortc.rtcrtpsender.get_encoder is theirs


def test_a_preference_after_somebody_replaced_the_function_works(monkeypatch):
    first = drop_in.prefer()
    monkeypatch.setattr(aiortc.rtcrtpsender, "get_encoder", lambda codec: Libx264())
    with drop_in.prefer():
        assert kind() is drop_in.H264Encoder
    first.restore()
    assert kind() is Libx264


def test_h264_comes_first_only_while_a_preference_negotiates():
    with drop_in.prefer(drop_in.Options(negotiate=False)):
        assert names()[0] == "VP8"
        with drop_in.prefer():
            assert names() == ["H264", "rtx", "H264", "rtx", "VP8", "rtx"]
        assert names()[0] == "VP8"


def test_a_codec_that_somebody_else_adds_meanwhile_stays():
    added = aiortc.RTCRtpCodecParameters(mimeType="video/VP9", clockRate=90_000, payloadType=120)
    with drop_in.prefer():
        CODECS["video"].append(added)
    assert names() == ["VP8", "rtx", "H264", "rtx", "H264", "rtx", "VP9"]
    CODECS["video"].remove(added)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (aiortc.rtcrtpsender, "get_encoder"),
        (aiortc.rtcpeerconnection, "find_common_codecs"),
        (aiortc.codecs.h264, "PACKET_MAX"),
        (Libx264, "_encode_frame"),
        (aiortc.RTCRtpSender, "_next_encoded_frame"),
    ],
)
def test_an_aiortc_without_what_is_needed_is_refused_and_left_alone(module, name, monkeypatch):
    monkeypatch.delattr(module, name)
    with pytest.raises(drop_in.UnsupportedAiortcError, match=f"aiortc 1.14 to 1.16, not this aiortc .*{name}") as error:
        drop_in.prefer()
    assert isinstance(error.value, (direct264.Error, RuntimeError)) and error.value.advice
    assert names()[0] == "VP8"


def test_an_aiortc_that_makes_encoders_otherwise_is_refused(monkeypatch):
    async def otherwise(self, codec):
        return None

    monkeypatch.setattr(aiortc.RTCRtpSender, "_next_encoded_frame", otherwise)
    with pytest.raises(drop_in.UnsupportedAiortcError, match="_next_encoded_frame does not use get_encoder"):
        drop_in.prefer()
    assert aiortc.rtcrtpsender.get_encoder is BEFORE[0]


def test_the_import_of_an_unknown_aiortc_says_the_same_sentence():
    script = "import aiortc.rtcrtpsender as s\ndel s.get_encoder\nimport direct264.aiortc"
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "UnsupportedAiortcError: direct264.aiortc knows aiortc" in done.stderr.splitlines()[-1]


def test_another_version_of_the_known_structure_is_taken(monkeypatch):
    monkeypatch.setattr(aiortc, "__version__", "1.99.3")
    with drop_in.prefer():
        assert kind() is drop_in.H264Encoder


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"bitrate": 1}, "bitrate=1: min_bitrate=500000 to max_bitrate=3000000 is taken"),
        ({"min_bitrate": 0}, "min_bitrate=0"),
        ({"backend": "x264"}, "backend='x264'"),
        ({"backend": ()}, "backend=()"),
        ({"profile": "baseline"}, "profile"),
        ({"threads": 0}, "threads"),
        ({"nvenc": direct264.Nvenc(preset="p9")}, "preset"),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_changes(settings, text):
    with pytest.raises(direct264.ConfigError) as error:
        drop_in.prefer(drop_in.Options(**settings))
    assert text in str(error.value)
    assert state() == BEFORE


def test_activation_and_its_end_are_logged_once(caplog):
    caplog.set_level(logging.INFO, "direct264.aiortc")
    with drop_in.prefer():
        pass
    lines = [record.getMessage() for record in caplog.records if record.name == "direct264.aiortc"]
    assert lines == [
        f"[direct264] activated for new H.264 senders of aiortc {aiortc.__version__}: backend auto, 500 to 3000 kbit/s, "
        "H.264 negotiated first",
        "[direct264] preference ended, 0 left",
    ]


async def attached_among_three():
    def attach_second(sender, made=[]):  # noqa: B006
        made.append(sender)
        if len(made) == 2:
            drop_in.attach(sender)

    async with Call(Track(), Track(), Track(), prepare=attach_second) as call:
        for at in range(3):
            await call.frames(3, at)
        return [type(encoder) for encoder in call.encoders]


def test_an_attachment_switches_one_sender_alone():
    assert asyncio.run(attached_among_three()) == [Libx264, drop_in.H264Encoder, Libx264]


async def attached_to_a_running_sender():
    """The backend, the target and whether the change began with a key frame, before, during and after."""
    told = []
    with drop_in.prefer(drop_in.Options()) as preference:
        # Only negotiation is wanted of the preference here.
        aiortc.rtcrtpsender.get_encoder, hooked = BEFORE[0], aiortc.rtcrtpsender.get_encoder
        async with Call() as call:
            sender = call.senders[0]
            await call.frames(3)
            aiortc.rtcrtpsender.get_encoder = hooked
            preference.restore()
            call.encoders[0].target_bitrate = 2_000_000
            told.append(type(call.encoders[0]))
            attachment = drop_in.attach(sender, drop_in.Options(max_bitrate=8_000_000))
            drop_in.attach(sender, drop_in.Options(max_bitrate=8_000_000))
            await until(lambda: drop_in.stats(sender).frames > 5)
            told.append(drop_in.stats(sender).target_bitrate)
            told.append(drop_in.stats(sender).idrs)
            attachment.restore()
            await call.frames(5)
            told.append(type(call.encoders[0]))
            drop_in.restore()
            await call.frames(20)
            told.append(type(call.encoders[0]))
            told.append("_next_encoded_frame" in vars(sender))
            assert len(call.shown[0]) > call.tracks[0].number - 12, "no frame was lost"
    return told


def test_a_running_sender_changes_over_and_back_with_its_next_frame():
    told = asyncio.run(attached_to_a_running_sender())
    assert told == [Libx264, 2_000_000, 1, drop_in.H264Encoder, Libx264, False]


async def dropped_sender():
    call = Call(prepare=drop_in.attach)
    assert names()[0] == "H264"
    async with call:
        await call.frames(2)
        gone = weakref.ref(call.senders[0])
    return gone


def test_the_attachment_of_a_sender_that_is_gone_ends():
    gone = asyncio.run(dropped_sender())
    gc.collect()
    assert gone() is None and names()[0] == "VP8"


async def answered(options, *, first_codec):
    """Which encoder the answering side uses, whose partner offers VP8 first, as browsers do."""
    browser, server = Call().far, aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    browser.addTransceiver("video", direction="recvonly")
    received = asyncio.Queue()
    browser.on("track", lambda track: asyncio.ensure_future(track.recv()).add_done_callback(received.put_nowait))
    await browser.setLocalDescription(await browser.createOffer())
    assert browser.localDescription.sdp.index("VP8") < browser.localDescription.sdp.index("H264")
    with drop_in.prefer(options):
        await server.setRemoteDescription(browser.localDescription)
        sender = server.addTrack(Track())
        await server.setLocalDescription(await server.createAnswer())
        await browser.setRemoteDescription(server.localDescription)
        await asyncio.wait_for(received.get(), 20)
        told = type(sender._RTCRtpSender__encoder).__name__
    await server.close()
    await browser.close()
    assert told == first_codec


@pytest.mark.parametrize(("negotiate", "encoder"), [(True, "H264Encoder"), (False, "Vp8Encoder")])
def test_an_answer_is_h264_where_it_is_negotiated(negotiate, encoder):
    # A preference that does not negotiate leaves aiortc's answer in the offer's order.
    asyncio.run(answered(drop_in.Options(negotiate=negotiate), first_codec=encoder))


def test_a_codec_that_a_transceiver_prefers_is_kept():
    async def chosen():
        def prefer_vp8(sender):
            transceiver = next(each for each in call.near.getTransceivers() if each.sender is sender)
            codecs = aiortc.RTCRtpSender.getCapabilities("video").codecs
            transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType == "video/VP8"])

        call = Call()
        prefer_vp8(call.senders[0])
        async with call:
            await call.frames(2)
            return type(call.encoders[0]).__name__

    with drop_in.prefer():
        assert asyncio.run(chosen()) == "Vp8Encoder"
