#!/usr/bin/busybox sh
# Opens the root of the slot that the firmware chose, or stops the machine: a root that is not as the command line
# says is not started, and the other slot is, if it was good. $roothash and $hashoffset are of the slot's own command
# line.
export PATH=/usr/bin:/usr/sbin:/bin
B=/usr/bin/busybox
known=/slots selector=/selector
. /slots.sh
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

# The Pi's firmware says in the device tree which partition it started from.
told=/proc/device-tree/chosen/bootloader/partition
if [ -e $told ]; then
    partition=$((0x$($B hexdump -v -e '1/1 "%02x"' $told)))
fi

# The device of the partition with this label, once it is there.
device_of() {
    tries=0
    while [ $tries -lt 300 ]; do
        for event in /sys/class/block/*/uevent; do
            if $B grep -qx "PARTNAME=$1" "$event"; then
                name=${event%/uevent}
                echo "/dev/${name##*/}"
                return
            fi
        done
        $B sleep 0.1
        tries=$((tries + 1))
    done
}

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
[ -b "$device" ] || stop "there is no partition $label"

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
$B mkdir -p /run/aidpost
echo $slot >/run/aidpost/slot
/usr/sbin/veritysetup open --panic-on-corruption "$device" root "$device" "$roothash" --hash-offset="$hashoffset" ||
    damaged "$label is not what this slot was signed with"
$B mount -t erofs -o ro /dev/mapper/root /newroot || damaged "$label cannot be mounted"
echo "aidpost: slot $slot from $device" >/dev/console
for folder in proc sys dev run; do
    $B mount --move /$folder /newroot/$folder
done
exec $B switch_root /newroot /sbin/init
