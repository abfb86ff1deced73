#!/usr/bin/env bash
# Measures the host's cost of a frame beside the encoding, in direct264 and in other clients of NVENC, on the driver double
# (tests/driver). No NVENC hardware is involved.
#
#     benches/compare/overhead.sh [--rounds 21] [--frames 400] [--paced-rounds 4] [--json FILE]
#
# The clients are this crate, FFmpeg's h264_nvenc (overhead/ffmpeg.c) and the crate moq-nvenc. The crate nvidia-video-codec-sdk,
# from which moq-nvenc was forked, takes no driver that lacks any of CUDA's functions, as the double does.
#
# The script needs cargo and python3, and for FFmpeg's part a C compiler and libavcodec's headers, which it installs where it
# may. Builds are kept in $DIRECT264_COMPARE, by default direct264-compare in the folder for temporary files. A client that
# cannot be built or run is named, and the others run without it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=${DIRECT264_COMPARE:-${TMPDIR:-/tmp}/direct264-compare}/overhead
clients=$work/clients double=$work/double
mkdir -p "$clients" "$double"

# The C compiler, and libavcodec: the headers are there exactly when this compiles.
has_libavcodec() { echo '#include <libavcodec/avcodec.h>' | cc -E -x c - >/dev/null 2>&1; }
if ! has_libavcodec; then
  packages=(gcc libc6-dev libavcodec-dev libavutil-dev)
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
      echo "apt-get does not install ${packages[*]}" >&2
  else
    echo "FFmpeg's part needs: apt-get install ${packages[*]}" >&2
  fi
fi

# The double, laid out as a driver.
target=$(cd "$here" && cargo metadata --format-version 1 --no-deps |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
(cd "$here" && cargo build --release -p double-cuda -p double-nvenc)
ln -sf "$target/release/libd264_double_cuda.so" "$double/libcuda.so.1"
ln -sf "$target/release/libd264_double_nvenc.so" "$double/libnvidia-encode.so.1"

rm -f "$clients"/*
for client in ours moq; do
  if (cd "$here/overhead" && CARGO_TARGET_DIR=$work/target cargo build --release -p "overhead-$client"); then
    ln -s "$work/target/release/overhead-$client" "$clients/$client"
  else
    echo "not built: the client overhead-$client" >&2
  fi
done
cc -O2 -o "$clients/ffmpeg" "$here/overhead/ffmpeg.c" -lavcodec -lavutil -ldl ||
  echo "not built: the client of FFmpeg's h264_nvenc" >&2

PYTHONDONTWRITEBYTECODE=1 exec python3 "$here/overhead.py" --clients "$clients" --double "$double" "$@"
