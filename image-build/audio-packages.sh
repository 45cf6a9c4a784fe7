#!/usr/bin/env bash
# Makes sure that the spoken prompts can be made: espeak-ng speaks, lame packs. Neither is part of what ships.
# As root on Debian it installs what is missing; otherwise it says what to install.
set -euo pipefail

packages=()
command -v espeak-ng >/dev/null || packages+=(espeak-ng)
command -v lame >/dev/null || packages+=(lame)
[ ${#packages[@]} = 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing ${packages[*]} ..."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null && exit 0
fi
echo "Missing for the spoken prompts: sudo apt-get install ${packages[*]}" >&2
exit 1
