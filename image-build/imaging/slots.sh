# Part of init: a primary whose root is damaged is left for the other slot, if that was good (docs/updates.md).
#
# $slot runs, $other does not; $selector: the mounted partition. $known has every content that a file there can have
# and that matters here, as firmware/slots/selector.py makes them. All of one file have the same length, and each is
# written in place, within one sector. `selecting` does something with the partition mounted, `intact` reads the whole
# root, `stop` starts the machine anew.

is() {
    $B cmp -s "$known/$1" "$selector/$2"
}

put() {
    $B dd if="$known/$1" of="$selector/$2" conv=notrunc,fsync 2>/dev/null
}

is_primary() {
    is "autoboot-$slot" autoboot.txt
}

# What a start can begin with.
WELL=0 SUSPECT=10 LEFT=11

# Counts a start of the primary, and says when three before it did not last ten minutes; ends what a power cut left
# of `leave`. Those of a slot on trial are counted elsewhere.
begin() {
    is_primary || return $WELL
    is "damaged-$slot" slots.txt && leave && return $LEFT
    if is starts-3 starts.txt; then
        put starts-1 starts.txt
        return $SUSPECT
    fi
    for count in 2 1 0; do
        if is starts-$count starts.txt; then
            put starts-$((count + 1)) starts.txt
            return $WELL
        fi
    done
    # Damaged itself; where it has another length, nothing is counted.
    [ "$($B wc -c <"$selector/starts.txt")" = "$($B wc -c <"$known/starts-1")" ] && put starts-1 starts.txt
    return $WELL
}

# First that it is damaged, which stays when the other one has become the primary; then the one sector that the
# firmware reads. A damaged slot is never gone back to, so that two damaged ones do not take turns.
leave() {
    is_primary || return 1
    is "good-$other" slots.txt && put "damaged-$slot" slots.txt
    is "damaged-$slot" slots.txt && put "autoboot-$other" autoboot.txt && put starts-0 starts.txt
}

# The root cannot be started.
damaged() {
    selecting leave && stop "$*: slot $other starts from now on"
    stop "$*, and slot $other is none to go to"
}

# What is done with each start.
before_root() {
    selecting begin
    case $? in
    "$SUSPECT") intact || damaged "the root of slot $slot is not what it was signed with" ;;
    "$LEFT") stop "slot $slot is damaged: slot $other starts from now on" ;;
    esac
}
