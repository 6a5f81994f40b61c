#!/bin/busybox sh
# The first and only program of a test guest. The kernel's command line says what it does:
#   entropool.show=N    read N bytes of /dev/hwrng and print them as hex, first thing
#   entropool.flood     then read continuously and report once a second how much has arrived
#   entropool.every=S   report every S seconds instead
#   entropool.idle      load no driver at all: a guest that never requests anything
# Output goes to the serial line, one fact per line, each marked so that kernel messages do not matter.
PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /proc /dev
mount -t proc proc /proc
mount -t devtmpfs dev /dev

say() { echo "entropool: $*"; }
uptime() { read -r up _ < /proc/uptime; echo "$up"; }

show=0 flood='' idle='' every=1
for word in $(cat /proc/cmdline); do
  case $word in
    entropool.show=*) show=${word#*=} ;;
    entropool.flood) flood=1 ;;
    entropool.every=*) every=${word#*=} ;;
    entropool.idle) idle=1 ;;
  esac
done

if [ -z "$idle" ]; then
  for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio-rng; do
    insmod "/mod/$module.ko"
  done
fi
say up "$(uname -r)" "$(uptime)"

# The device returns blocks of 64 bytes. For a shorter read, the kernel hands a block out from its end, so this reads
# whole blocks: only then are the bytes in the order in which they were served.
if [ "$show" != 0 ]; then
  blocks=$(((show + 63) / 64))
  say bytes "$(dd if=/dev/hwrng bs=64 count=$blocks 2>/dev/null | od -An -v -tx1 -N "$show" | tr -d ' \n')"
fi

if [ -n "$flood" ]; then
  dd if=/dev/hwrng of=/dev/null bs=64 2>/dev/null &
  reader=$!
  # dd's writes equal its reads, and unlike the reads they do not include the program's own pages.
  while sleep "$every"; do
    while read -r name count; do
      [ "$name" != wchar: ] || say count "$(uptime)" "$count"
    done < "/proc/$reader/io"
  done
fi
say done
while sleep 3600; do :; done
