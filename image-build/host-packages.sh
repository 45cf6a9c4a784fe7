#!/usr/bin/env bash
# Makes sure that the host's Python is new enough and can create virtual environments, and installs what tests use:
# valgrind, chromium and systemd.
# As root on Debian it installs what is missing; otherwise it says what to install.
set -euo pipefail
python=${1:-python3}

if ! command -v "$python" >/dev/null; then
    echo "Aidpost needs Python 3.11 to 3.13, and there is no $python. Install python3, or set PYTHON=/path/to/python3.11" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; then
    echo "Aidpost needs Python 3.11 to 3.13; $python is $("$python" --version 2>&1). Set PYTHON=/path/to/python3.11" >&2
    exit 1
fi

# valgrind counts instructions for a test (make instructions); where it cannot be installed that test is skipped.
if ! command -v valgrind >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing valgrind ..."
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq valgrind >/dev/null; } ||
        echo "valgrind is not installed: the counts of instructions will not be compared." >&2
fi

# chromium draws the operator page for the tests in tests/browser; where it cannot be installed they are skipped.
if ! command -v chromium >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing chromium ..."
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; } ||
        echo "chromium is not installed: the operator page will not be tried in a browser." >&2
fi

# PostgreSQL and NATS are what an aggregator grows to; where they cannot be installed those tests are skipped.
if { [ ! -d /usr/lib/postgresql ] || ! command -v nats-server >/dev/null; } && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing PostgreSQL and NATS ..."
    # The tests start servers of their own: the package must not start one.
    mkdir -p /etc/postgresql-common && echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql nats-server >/dev/null; } ||
        echo "PostgreSQL and NATS are not installed: an aggregator on them will not be tried." >&2
fi

# systemd-analyze judges the units; where it cannot be installed that test is skipped.
if ! command -v systemd-analyze >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing systemd ..."
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends systemd >/dev/null; } ||
        echo "systemd is not installed: the units will not be judged." >&2
fi

# RAUC makes and checks bundles of the image; user-mode Linux installs one for real: its kernel has the block devices
# that a container has not. Where they cannot be installed those tests are skipped.
updates="rauc rauc-service squashfs-tools user-mode-linux kmod dbus"
if { ! command -v rauc || ! command -v linux.uml || ! command -v mksquashfs; } >/dev/null &&
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing RAUC and user-mode Linux ..."
    # shellcheck disable=SC2086  # one word each
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $updates >/dev/null; } ||
        echo "RAUC or user-mode Linux is not installed: updates of the image will not be tried." >&2
fi

# The card's initial file system runs in user-mode Linux with busybox, on a root of erofs; without them that test is skipped.
if { ! command -v busybox || ! command -v mkfs.erofs; } >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing busybox and erofs-utils ..."
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends busybox-static erofs-utils >/dev/null; } ||
        echo "busybox or erofs-utils is not installed: the card's initial file system will not be run." >&2
fi

# mtools reads and writes the FAT partitions of a card; where it cannot be installed those tests are skipped.
if ! command -v mformat >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing mtools ..."
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mtools >/dev/null; } ||
        echo "mtools is not installed: cards of the image will not be tried." >&2
fi

# dropbear, ssh and ip try a support session; where they cannot be installed that test is skipped.
support="dropbear-bin openssh-client iproute2"
if { ! command -v dropbear || ! command -v ssh || ! command -v ip; } >/dev/null &&
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing dropbear and ssh ..."
    # shellcheck disable=SC2086  # one word each
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $support >/dev/null; } ||
        echo "dropbear or ssh is not installed: a support session will not be tried." >&2
fi

# The image's libraries are of arm64; where its binutils cannot be installed what is done to them is not tested.
if ! command -v aarch64-linux-gnu-as >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing binutils of arm64 ..."
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends binutils-aarch64-linux-gnu >/dev/null; } ||
        echo "The binutils of arm64 are not installed: hollow libraries will not be tested." >&2
fi

# cryptsetup, nft and sfdisk read what the image gives them; where they cannot be installed those tests are skipped.
if { ! command -v cryptsetup || ! command -v nft || ! command -v sfdisk; } >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing cryptsetup, nftables and fdisk ..."
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends cryptsetup-bin nftables fdisk >/dev/null; } ||
        echo "cryptsetup, nftables or fdisk is not installed: the image's use of them will not be checked." >&2
fi

can_make_environments() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }
can_make_environments && exit 0

# Debian has a package for each version; python3-venv serves its default Python alone.
package=$("$python" -c 'import sys; print("python{}.{}-venv".format(*sys.version_info[:2]))')
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing $package ..."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >/dev/null && can_make_environments && exit 0
    echo "$package did not give $python its venv module. Install that for $python, or set PYTHON to another one." >&2
else
    echo "The venv module of $python is missing. Install it first: sudo apt-get install $package" >&2
fi
exit 1
