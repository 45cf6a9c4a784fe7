#!/usr/bin/env bash
# Makes sure that the host can make the image's toolbox (image-build/recipe.toml): all other tools are in that.
# As root on Debian it installs what is missing; otherwise it says what to install.
set -euo pipefail

packages=()
command -v mmdebstrap >/dev/null || packages+=(mmdebstrap)
command -v unshare >/dev/null || packages+=(util-linux)
command -v tar >/dev/null || packages+=(tar)
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || packages+=(debian-archive-keyring)
[ ${#packages[@]} = 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing ${packages[*]} ..."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null && exit 0
fi
echo "Missing for the image: sudo apt-get install ${packages[*]}" >&2
exit 1
