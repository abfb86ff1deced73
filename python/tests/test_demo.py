"""The demo, as a person starts it: the page, a picture from each sender, figures, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import aiortc
import numpy as np
import pytest
from pictures import planes, until

COMMAND = [sys.executable, "-P", "-m", "direct264.demo"]


@contextlib.contextmanager
def started():
    """The address of a running demo. Ctrl-C ends it, with status 0 and without a traceback."""
    command = [*COMMAND, "--port", "0", "--size", "320x240", "--fps", "20"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = running.stdout.readline()
        yield re.search(r"http://127\.0\.0\.1:\d+/", line)[0]
        assert running.poll() is None
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=20)
        assert running.returncode == 0 and "Traceback" not in errors, errors
    finally:
        running.kill()
        running.wait()


@pytest.fixture
def demo():
    with started() as address:
        yield address


def fetch(address, body=None, **headers):
    data = None if body is None else json.dumps(body).encode()
    given = {"Content-Type": "application/json"} if data else {}
    with urllib.request.urlopen(urllib.request.Request(address, data, given | headers), timeout=20) as answer:
        return answer.read()


def refusal(address, *arguments, **headers):
    with pytest.raises(urllib.error.HTTPError) as error:
        fetch(address, *arguments, **headers)
    return error.value.code, error.value.read().decode()


async def watch(address):
    """Watches the page's two videos as a browser does. Returns the first frames and the figures."""
    peer = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    shown, readers = [], []

    @peer.on("track")
    def on_track(track):
        received = []
        shown.append(received)

        async def read():
            try:
                while True:
                    received.append(await track.recv())
            except aiortc.mediastreams.MediaStreamError:
                pass

        readers.append(asyncio.ensure_future(read()))

    for _ in range(2):
        peer.addTransceiver("video", direction="recvonly")
    await peer.setLocalDescription(await peer.createOffer())
    offer = {"sdp": peer.localDescription.sdp, "type": peer.localDescription.type}
    answer = json.loads(await asyncio.to_thread(fetch, f"{address}offer", offer))
    await peer.setRemoteDescription(aiortc.RTCSessionDescription(answer["sdp"], answer["type"]))
    await until(lambda: len(shown) == 2 and all(len(frames) >= 15 for frames in shown))
    ask = f"{address}stats?call={answer['call']}"
    told = json.loads(await asyncio.to_thread(fetch, ask))
    await asyncio.to_thread(fetch, f"{address}bitrate", {"call": answer["call"], "bitrate": 600_000})
    count = len(shown[1])
    await until(lambda: len(shown[1]) >= count + 10)
    later = json.loads(await asyncio.to_thread(fetch, ask))
    await peer.close()
    await asyncio.gather(*readers)
    return [frames[10] for frames in shown], told, later


def test_both_senders_show_the_source(demo):
    page = fetch(demo).decode()
    assert page.startswith("<!doctype html>") and page.count("<video") == 2
    (plain, ours), told, later = asyncio.run(watch(demo))
    for shown in (plain, ours):
        assert (shown.width, shown.height) == (320, 240)
        y = planes(shown)[0].astype(float)
        # The scene is lighter to the right, and has squares.
        assert y.std() > 15 and y[:60, 200:].mean() > y[:60, :100].mean() + 10
    assert np.abs(planes(plain)[0].astype(float).mean() - planes(ours)[0].astype(float).mean()) < 12
    assert told["libx264"]["backend"] == "libx264" and told["direct264"]["backend"] in ("nvenc", "openh264")
    for name in told:
        assert told[name]["frames"] >= 15 and told[name]["idrs"] >= 1
        assert 0 < told[name]["encode_p50_ms"] <= told[name]["encode_p99_ms"] and told[name]["cpu_ms"] > 0
    assert later["direct264"]["target_bitrate"] == later["libx264"]["target_bitrate"] == 600_000
    assert later["libx264"]["idrs"] > told["libx264"]["idrs"], "libx264 opens anew"
    assert later["direct264"]["idrs"] == told["direct264"]["idrs"], "direct264 does not"


def test_ctrl_c_ends_it_while_a_browser_holds_a_connection(demo):
    port = int(demo.rstrip("/").rpartition(":")[2])
    idle = socket.create_connection(("127.0.0.1", port))
    idle.sendall(b"GET / HTTP/1.1\r\n")
    # The fixture ends the demo while the connection is open.
    time.sleep(0.3)
    assert fetch(demo)


def test_requests_that_do_not_fit_are_refused_and_the_demo_goes_on(demo):
    assert refusal(f"{demo}nothing") == (404, "GET /nothing: /, /stats, /offer and /bitrate are there\n")
    assert refusal(f"{demo}stats?call=99") == (404, "call 99 has ended\n")
    assert refusal(f"{demo}stats")[0] == 400
    assert refusal(f"{demo}offer", {"sdp": 1})[0] == 400
    assert refusal(f"{demo}offer", {"sdp": "v=0", "type": "offer"}, **{"Content-Type": "text/plain"})[0] == 400
    assert refusal(demo, Host="example.org")[0] == 400
    assert b"<video" in fetch(demo)


def test_help_teaches():
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, timeout=60, check=True)
    assert "--port" in done.stdout and "direct264.aiortc.prefer()" in done.stdout and not done.stderr


@pytest.mark.parametrize("arguments", [["--size", "321x240"], ["--fps", "0"], ["--bitrate", "5"], ["--port", "70000"]])
def test_arguments_that_cannot_work_are_refused(arguments):
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and arguments[0] in done.stderr


def test_a_port_that_is_taken_is_named(demo):
    port = demo.rstrip("/").rpartition(":")[2]
    command = [*COMMAND, "--port", port, "--size", "64x64"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and done.stderr.startswith(f"port {port}: ") and "Traceback" not in done.stderr


class Chromium:
    """A page in Chromium without a window, over its debugging pipe."""

    FLAGS = "--headless=new --no-sandbox --disable-gpu --autoplay-policy=no-user-gesture-required --remote-debugging-pipe"

    def __init__(self, profile):
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        flags = f"{self.FLAGS} --user-data-dir={profile}"
        command = f"exec chromium {flags} about:blank 3<&{to_browser} 4>&{from_browser}"
        self._running = subprocess.Popen(
            ["bash", "-c", command], pass_fds=(to_browser, from_browser), stderr=subprocess.DEVNULL
        )
        os.close(to_browser)
        os.close(from_browser)
        self._number, self._session, self._rest = 0, None, b""

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self._running.kill()
        self._running.wait()
        os.close(self._write)
        os.close(self._read)

    def open(self, address):
        target = self.call("Target.createTarget", url=address)["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def evaluate(self, script):
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            pass
        return answer["result"]

    def _next(self):
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], 30)
            assert ready, "Chromium says nothing"
            self._rest += os.read(self._read, 1 << 16)
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


SHOWN = """
(async () => {
  const shown = {};
  for (const name of ["libx264", "direct264"]) {
    const video = document.querySelector(`#${name} video`);
    if (!video?.videoWidth) return null;
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: video.videoWidth, height: video.videoHeight });
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0);
    const mean = (x) => {
      const { data } = context.getImageData(x, 0, 40, 50);
      return [0, 1, 2].map((at) => data.filter((_, n) => n % 4 === at).reduce((a, b) => a + b) / (data.length / 4));
    };
    const rows = document.querySelectorAll(`#${name} td`);
    if (!rows.length || video.getVideoPlaybackQuality().totalVideoFrames < 30) return null;
    shown[name] = { size: [canvas.width, canvas.height], left: mean(0), right: mean(canvas.width - 40),
      told: Object.fromEntries([...rows].map((cell) => cell.textContent).reduce(
        (pairs, word, at) => at % 2 ? [...pairs.slice(0, -1), [pairs.at(-1), word]] : [...pairs, word], [])) };
  }
  return shown;
})()
"""


@pytest.fixture
def chromium(tmp_path):
    if shutil.which("chromium") is None:
        pytest.skip("SKIPPED: there is no chromium here")
    with Chromium(tmp_path) as browser:
        yield browser


def watched_in(chromium, address):
    chromium.open(address)
    for _ in range(80):
        time.sleep(0.5)
        shown = chromium.evaluate(SHOWN)
        if shown:
            return shown
    raise AssertionError(chromium.evaluate("document.body.innerText"))


def are_alike(shown):
    """Whether both videos show the scene in the same colours: red grows to the right."""
    for told in shown.values():
        assert told["size"] == [320, 240] and told["right"][0] > told["left"][0] + 60, shown
    return np.allclose(shown["libx264"]["left"], shown["direct264"]["left"], atol=25)


def test_chromium_shows_both_videos_and_the_figures(demo, chromium):
    shown = watched_in(chromium, demo)
    assert are_alike(shown), shown
    assert shown["libx264"]["told"]["backend"] == "libx264"
    assert shown["direct264"]["told"]["backend"] in ("nvenc", "openh264")
    assert int(shown["direct264"]["told"]["frames"]) >= 10 and "ms" in shown["direct264"]["told"]["encode, median"]


def test_chromium_shows_what_nvenc_encodes_and_what_follows_its_failure(double, chromium, monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", str(double))
    monkeypatch.setenv("D264_DOUBLE_FAULT", "nvEncEncodePicture:80=20")
    with started() as address:
        assert are_alike(watched_in(chromium, address))
        for _ in range(40):
            time.sleep(0.5)
            later = chromium.evaluate(SHOWN)
            if int(later["direct264"]["told"]["IDRs"]) >= 2 and int(later["direct264"]["told"]["frames"]) > 120:
                break
        assert are_alike(later), later
        assert int(later["direct264"]["told"]["IDRs"]) >= 2
