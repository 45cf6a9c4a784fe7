#!/usr/bin/busybox sh
# Opens the root of the slot that the firmware chose, or stops the machine: a root that is not as the command line
# says is not started, and the other slot is, if it was good. $roothash and $hashoffset are of the slot's own command
# line.
export PATH=/usr/bin:/usr/sbin:/bin
B=/usr/bin/busybox
known=/slots selector=/selector sys=/sys
. /slots.sh
. /card.sh
$B mount -t proc proc /proc
$B mount -t sysfs sysfs /sys
$B mount -t devtmpfs devtmpfs /dev
$B mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run

# panic= of the command line starts the machine anew; without the trial's flag the firmware then takes the other slot.
stop() {
    echo "aidpost: $*" >/dev/console
    $B sleep 2
    $B reboot -f
}

while read -r module; do
    $B insmod "/modules/$module" 2>/dev/null
done </modules/list

roothash= hashoffset= partition=
for word in $($B cat /proc/cmdline); do
    case $word in
    aidpost.roothash=*) roothash=${word#*=} ;;
    aidpost.hashoffset=*) hashoffset=${word#*=} ;;
    aidpost.bootpartition=*) partition=${word#*=} ;;
    esac
done

# What the Pi's firmware says of its start in the device tree: a number.
told() {
    place=/proc/device-tree/chosen/bootloader/$1
    [ -e "$place" ] && echo $((0x$($B hexdump -v -e '1/1 "%02x"' "$place")))
}
if partition_told=$(told partition); then
    partition=$partition_told
fi

# A disk of another kind than expected is taken only after 10 s without one: whoever starts from USB has no card then.
card='' tries=0 kinds=$(kinds_for "$(told boot-mode)")
while [ -z "$card" ] && [ $tries -lt 300 ]; do
    [ $tries -lt 100 ] || kinds='mmc nvme other usb'
    card=$(card_among $kinds)
    [ -n "$card" ] || $B sleep 0.1
    tries=$((tries + 1))
done
[ -n "$card" ] || stop "there is no disk with the partitions of both slots"
# For udev, which names this disk's partitions /dev/aidpost/LABEL, and for nobody else's disk.
$B mkdir -p /run/aidpost/card
: >"/run/aidpost/card/${card##*/}"

# Mounts the FAT partition with this label for a while, with the kernels' usual tables of characters.
mount_fat() {
    $B mount -t vfat -o "$2,noatime,umask=0077,codepage=437,iocharset=ascii" "$(device_of "$1")" $selector
}

# Some firmware says 0 (a Pi 3's: rpi-image-gen issue 238). The slot is then the one whose command line this is.
if [ "$partition" != 2 ] && [ "$partition" != 3 ]; then
    for place in boot_b.3 boot_a.2; do
        mount_fat ${place%.*} ro || continue
        $B grep -qw "aidpost.roothash=$roothash" $selector/cmdline.txt && partition=${place#*.}
        $B umount $selector
    done
fi
case $partition in
2) slot=A other=B label=root_a ;;
3) slot=B other=A label=root_b ;;
*) stop "started from partition '$partition', which is no slot" ;;
esac
device=$(device_of $label)
[ -b "$device" ] || stop "there is no device of $label"

# Does something with the selector mounted, for as short as can be; false where it cannot be mounted.
selecting() {
    mount_fat selector rw || return 1
    "$@"
    result=$?
    $B umount $selector
    return $result
}

# Whether the whole root is what the root hash says.
intact() {
    echo "aidpost: three starts did not last: $label is read from end to end" >/dev/console
    /usr/sbin/veritysetup verify "$device" "$device" "$roothash" --hash-offset="$hashoffset"
}
before_root
echo $slot >/run/aidpost/slot
/usr/sbin/veritysetup open --panic-on-corruption "$device" root "$device" "$roothash" --hash-offset="$hashoffset" ||
    damaged "$label is not what this slot was signed with"
$B mount -t erofs -o ro /dev/mapper/root /newroot || damaged "$label cannot be mounted"
echo "aidpost: slot $slot from $device" >/dev/console
# What opening the data partition needs, which then begins before udev has come to the card and makes the same links.
# The mount is that of the root's fstab, which is tried again there if it fails here.
$B mkdir -p /dev/aidpost
for label in selector data; do
    place=$(device_of $label)
    [ -z "$place" ] || $B ln -s "../${place##*/}" /dev/aidpost/$label
done
$B mount -t vfat -o rw,flush,noatime,umask=0077,nosuid,nodev,noexec,codepage=437,iocharset=ascii \
    "$(device_of selector)" /newroot/boot/selector
for folder in proc sys dev run; do
    $B mount --move /$folder /newroot/$folder
done
exec $B switch_root /newroot /sbin/init
