#!/bin/busybox sh
# The first and only program of a test guest. What it is to do stands on the kernel's command line:
#   entropool.show=N    read N bytes of /dev/hwrng and print them as hex, first thing
#   entropool.flood     then read without end and say once a second how much came so far
#   entropool.every=S   say so every S seconds instead
#   entropool.idle      load no driver at all: a guest that never asks for anything
# What it says goes to the serial line, one fact a line, each marked so that kernel messages do not matter.
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

# The device gives blocks of 64 bytes. Asked for less, the kernel hands a block out from its end, so whole
# blocks are asked for: only then are the bytes in the order in which they were served.
if [ "$show" != 0 ]; then
  blocks=$(((show + 63) / 64))
  say bytes "$(dd if=/dev/hwrng bs=64 count=$blocks 2>/dev/null | od -An -v -tx1 -N "$show" | tr -d ' \n')"
fi

if [ -n "$flood" ]; then
  dd if=/dev/hwrng of=/dev/null bs=64 2>/dev/null &
  reader=$!
  # What dd has written is what it has read, and unlike the reads it does not hold the program's own pages.
  while sleep "$every"; do
    while read -r name count; do
      [ "$name" != wchar: ] || say count "$(uptime)" "$count"
    done < "/proc/$reader/io"
  done
fi
say done
while sleep 3600; do :; done
