#!/usr/bin/busybox sh
# Opens the root of the slot that the firmware chose, or stops the machine: a root that is not as the command line
# says is not started. $roothash and $hashoffset are of the slot's own command line.
export PATH=/usr/bin:/usr/sbin:/bin
B=/usr/bin/busybox
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
case $partition in
2) slot=A label=root_a ;;
3) slot=B label=root_b ;;
*) stop "started from partition '$partition', which is no slot" ;;
esac

device=
tries=0
while [ -z "$device" ] && [ $tries -lt 300 ]; do
    for event in /sys/class/block/*/uevent; do
        if $B grep -qx "PARTNAME=$label" "$event"; then
            name=${event%/uevent}
            device=/dev/${name##*/}
        fi
    done
    [ -n "$device" ] || $B sleep 0.1
    tries=$((tries + 1))
done
[ -b "$device" ] || stop "there is no partition $label"

$B mkdir -p /run/aidpost
echo $slot >/run/aidpost/slot
/usr/sbin/veritysetup open --panic-on-corruption "$device" root "$device" "$roothash" --hash-offset="$hashoffset" ||
    stop "$label is not what this slot was signed with"
$B mount -t erofs -o ro /dev/mapper/root /newroot || stop "$label cannot be mounted"
echo "aidpost: slot $slot from $device" >/dev/console
for folder in proc sys dev run; do
    $B mount --move /$folder /newroot/$folder
done
exec $B switch_root /newroot /sbin/init
