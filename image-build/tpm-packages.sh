#!/usr/bin/env bash
# Makes sure that tpm2-pytss can be built and that there is a software TPM to test it with.
# As root on Debian it installs what is missing; otherwise it says what to install.
set -euo pipefail
python=${1:-python3}

packages=()
command -v swtpm >/dev/null || packages+=(swtpm)
command -v cc >/dev/null || packages+=(gcc libc6-dev)
command -v pkg-config >/dev/null || packages+=(pkg-config)
pkg-config --exists tss2-esys tss2-tctildr 2>/dev/null || packages+=(libtss2-dev)  # with the way to swtpm
header=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
[ -e "$header" ] || packages+=("$("$python" -c 'import sys; print("python{}.{}-dev".format(*sys.version_info[:2]))')")
[ ${#packages[@]} = 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing ${packages[*]} ..."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null && exit 0
fi
echo "Missing for the TPM: sudo apt-get install ${packages[*]}" >&2
exit 1
