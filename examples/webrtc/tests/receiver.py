"""Receives the stream with aiortc, reads the marks back from the decoded pictures, and says what it saw as JSON."""

import asyncio
import json
import sys
import time
import urllib.request

from aiortc import RTCPeerConnection, RTCSessionDescription

CELLS, ROWS = 28, 2
server = sys.argv[1]


def post(path, body):
    request = urllib.request.Request(server + path, json.dumps(body).encode())
    return json.load(urllib.request.urlopen(request))


def get(path):
    return json.load(urllib.request.urlopen(server + path))


def marks(frame):
    """Frame number and clock, as src/picture/marks.rs burns them in; None where they cannot be read."""
    luma, stride = bytes(frame.planes[0]), frame.planes[0].line_size
    height, width = frame.height, frame.width
    high = height * 4 // 45
    bits = 0
    for i in range(CELLS * ROWS):
        row, cell = divmod(i, CELLS)
        x, y = (2 * cell + 1) * width // (2 * CELLS), height - high + (2 * row + 1) * high // (2 * ROWS)
        bits = bits << 1 | int(luma[y * stride + x] > 125)
    payload, check = bits >> 8, bits & 255
    total = sum(byte * (2 * (i + 1) + 1) for i, byte in enumerate(payload.to_bytes(6, "big")))
    return (payload >> 32, payload & 0xFFFFFFFF) if total % 251 ^ 0xA5 == check else None


async def main():
    seen = {"frames": 0, "unreadable": 0, "out_of_order": 0, "missing": 0, "sizes": []}
    connection = RTCPeerConnection()
    receiver = connection.addTransceiver("video", direction="recvonly").receiver
    began = time.time()
    await connection.setLocalDescription(await connection.createOffer())
    answer = await asyncio.to_thread(post, "/offer", {"sdp": connection.localDescription.sdp})
    viewer = answer["viewer"]
    await connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
    last, latencies = None, []
    # When how many frames have come.
    actions = {40: "keyframe", 70: "keyframe", 100: "1280x720", 130: "320x180"}
    while seen["frames"] < 180:
        frame = await asyncio.wait_for(receiver.track.recv(), 20)
        seen.setdefault("first_frame_ms", round(1000 * (time.time() - began)))
        seen["frames"] += 1
        size = f"{frame.width}x{frame.height}"
        if size not in seen["sizes"]:
            seen["sizes"].append(size)
        read = marks(frame)
        if read is None:
            seen["unreadable"] += 1
        else:
            latencies.append((int(time.time() * 1000) - read[1]) & 0xFFFFFFFF)
            step = 1 if last is None else (read[0] - last) % 65536
            seen["out_of_order"] += step == 0 or step > 32768
            seen["missing"] += max(0, step - 1) if step < 32768 else 0
            last = read[0]
        action = actions.get(seen["frames"])
        if action == "keyframe":
            # aiortc has no public call for it.
            for ssrc in receiver._RTCRtpReceiver__active_ssrc:
                await receiver._send_rtcp_pli(ssrc)
        elif action:
            await asyncio.to_thread(post, f"/viewer/{viewer}/size", {"size": action})
    seen["latency_p50_ms"] = sorted(latencies)[len(latencies) // 2]
    seen["idrs"] = get(f"/viewer/{viewer}")["idrs"]
    await connection.close()
    print(json.dumps(seen))


asyncio.run(main())
