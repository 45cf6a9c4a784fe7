# Part of init: the card is the disk that the machine started from. Partitions are looked for on it alone, since a memory
# stick can have such names too, even be a copy of the card. $sys: where sysfs is.

# How a disk is connected.
kind_of() {
    case $($B readlink -f "$1") in
    */usb[0-9]*) echo usb ;;
    */mmc_host/*) echo mmc ;;
    */nvme/*) echo nvme ;;
    *) echo other ;;
    esac
}

# The kinds that it is of if one of these is there, for the boot-mode that the firmware tells (numbered as in its
# BOOT_ORDER). QEMU tells none, and a Pi 3 need not: it is then no USB disk.
kinds_for() {
    case $1 in
    1) echo mmc ;;
    4 | 5) echo usb ;;
    6) echo nvme ;;
    *) echo mmc nvme other ;;
    esac
}

has_slots() {
    for label in selector boot_a boot_b root_a root_b; do
        $B grep -qsx "PARTNAME=$label" "$1/${1##*/}"*/uevent || return 1
    done
}

# The card, as a folder of sysfs, among the disks of these kinds; the kinds go before the names.
card_among() {
    for kind in "$@"; do
        for disk in "$sys"/block/*; do
            if [ "$(kind_of "$disk")" = "$kind" ] && has_slots "$disk"; then
                echo "$disk"
                return
            fi
        done
    done
}

# The device of the card's partition with this label.
device_of() {
    for event in "$card/${card##*/}"*/uevent; do
        if $B grep -qx "PARTNAME=$1" "$event"; then
            name=${event%/uevent}
            echo "/dev/${name##*/}"
            return
        fi
    done
}
