# The first program of a guest kernel, run by busybox's shell.
#
# Makes a root that is the host's file system with a layer of memory above, runs one
# command in it, writes its status, and switches the machine off. From the kernel's
# command line it has B (busybox) and W, the run's own directory, which holds:
#   settings  MODULES, the directory of kernel modules, LOADABLE, whether the command
#             may load them, and PEERS, trees to lay over the host's, parted by spaces
#   cmd       the command, as a shell script
#   writable  directories of the host that can be written, one a line
#   readable  directories of the host that /tmp and /run would hide, one a line
# and gets `status`, the command's.

R=/mnt/root

die() {
    echo "guest: $*" >/dev/console
    $B poweroff -f
}

$B mount -t proc proc /proc || die "cannot mount /proc"
$B mount -t tmpfs -o size=75% tmpfs /mnt || die "cannot mount a tmpfs"
$B mkdir -p /mnt/up /mnt/work $R /mnt/host
. $W/settings
V=$($B uname -r)

if ! $B grep -qw overlay /proc/filesystems; then
    $B insmod "$($B find "$MODULES/$V" -name overlay.ko)" || die "cannot load overlay"
fi
$B mount -t hostfs -o / none /mnt/host || die "cannot mount the host's files"
LOWER=/mnt/host
N=0
for tree in $PEERS; do
    # A mount of its own: the layers of an overlay may not lie within each other.
    N=$((N + 1))
    $B mkdir /mnt/peers$N
    $B mount -t hostfs -o "$tree" none /mnt/peers$N || die "cannot mount $tree"
    LOWER=/mnt/peers$N:$LOWER
done
$B mount -t overlay -o lowerdir=$LOWER,upperdir=/mnt/up,workdir=/mnt/work overlay $R || die "cannot mount the root"

if [ "$LOADABLE" = yes ]; then
    $B mkdir -p $R/lib/modules/"$V"
    $B mount -t hostfs -o "$MODULES/$V" none $R/lib/modules/"$V" || die "cannot mount $MODULES/$V"
    echo /sbin/modprobe >/proc/sys/kernel/modprobe
else
    # Neither the kernel nor a program finds anything to load with.
    echo /bin/false >/proc/sys/kernel/modprobe
    $B rm -f $R/sbin/modprobe
fi
$B mount -t proc proc $R/proc
$B mount -t sysfs sys $R/sys
$B mount -t devtmpfs dev $R/dev
$B mkdir -p $R/dev/pts $R/dev/shm
$B mount -t devpts devpts $R/dev/pts
for d in dev/shm tmp run; do
    $B mount -t tmpfs -o mode=1777 tmpfs $R/$d || die "cannot mount /$d"
done
mount_host() {
    $B mkdir -p "$R$2"
    $B mount -t hostfs -o "$1,$2" none "$R$2" || die "cannot mount $2"
}
while read -r d; do mount_host ro "$d"; done <$W/readable
while read -r d; do mount_host rw "$d"; done <$W/writable

$B mkdir -p $R/.old
$B pivot_root $R $R/.old || die "cannot change the root"
cd /
$B umount -l /.old
$B rmdir /.old
$B ip link set lo up

# Two terminals carry standard output and standard error, byte for byte. The command
# writes to pipes, so that it sees no terminal.
for t in 1 2; do $B stty -F /dev/tty$t raw -opost -echo; done
$B mkfifo /run/.out /run/.err
$B cat /run/.out >/dev/tty1 &
OUT=$!
$B cat /run/.err >/dev/tty2 &
ERR=$!
# Not with busybox, which would prefer its own programs to those of the system.
/bin/sh $W/cmd >/run/.out 2>/run/.err </dev/null
RC=$?
# A process that the command left behind may hold the pipes open for ever.
($B sleep 2; $B kill $OUT $ERR 2>/dev/null) &
wait $OUT $ERR
echo $RC >$W/status
$B sync
$B poweroff -f
