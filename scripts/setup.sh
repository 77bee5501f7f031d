#!/usr/bin/env bash
# Installs what the build needs beyond Rust: FFmpeg's libraries with headers, libclang, a C compiler. Does nothing when they
# are there.
set -euo pipefail

packages=(build-essential pkg-config clang libclang-dev
          libavcodec-dev libavformat-dev libavutil-dev libswscale-dev)

complete() {
    command -v cc pkg-config clang >/dev/null &&
        pkg-config --exists libavcodec libavformat libavutil libswscale
}

if ! command -v cargo >/dev/null; then
    echo "error: cargo is missing: install Rust 1.95 or later from https://rustup.rs" >&2
    exit 2
fi
complete && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "error: neither root nor sudo: have somebody install ${packages[*]}" >&2
        exit 2
    }
    as_root=(sudo)
fi
command -v apt-get >/dev/null || {
    echo "error: no apt-get here: install FFmpeg 5 to 8 with headers, pkg-config, clang and a C compiler" >&2
    exit 2
}
echo "Installing ${packages[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
complete || {
    echo "error: FFmpeg's headers or clang are still missing after the installation" >&2
    exit 2
}
