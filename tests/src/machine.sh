#!/bin/bash
# Boots a systemd on a copy of this machine's file system, which ends with it: machine.sh DIRECTORY CGROUP.
# DIRECTORY is /tmp/here in there. Nothing of this machine's own services is started.
set -e
dir=$1 cgroup=$2
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
root=/mnt/root
mount -t proc proc $root/proc
mount -t sysfs -o ro sysfs $root/sys
mount -t tmpfs -o mode=755 tmpfs $root/run
mount -t tmpfs -o mode=1777 tmpfs $root/tmp
mount --rbind /dev $root/dev
mkdir $root/tmp/here
mount --bind "$dir" $root/tmp/here
# Its own part of the hierarchy, which the caller created.
if [ "${cgroup#/sys/fs/cgroup/systemd/}" != "$cgroup" ]; then
  mount -t tmpfs tmpfs $root/sys/fs/cgroup
  mkdir $root/sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd none $root/sys/fs/cgroup/systemd
else
  mount -t cgroup2 none $root/sys/fs/cgroup
fi
units=$root/etc/systemd/system
rm -rf $units/* $root/var/log/journal $root/usr/sbin/policy-rc.d
# The index of manual pages takes longer than the rest of an installation.
rm -f $root/var/lib/man-db/auto-update
: >$root/etc/fstab
od -An -tx1 -N16 /dev/urandom | tr -d ' \n' >$root/etc/machine-id
printf '[Unit]\nDescription=nothing\n' >$units/nothing.target
# What a machine does to its hardware.
for unit in systemd-udevd systemd-udev-trigger systemd-modules-load systemd-sysctl systemd-binfmt systemd-random-seed \
  systemd-tmpfiles-setup-dev systemd-remount-fs systemd-hwdb-update systemd-update-utmp kmod-static-nodes ldconfig apparmor; do
  ln -s /dev/null $units/$unit.service
done
cd $root
pivot_root . mnt
umount -l /mnt
mount --bind /dev/null /dev/console
export container=other
exec /lib/systemd/systemd --system --unit=nothing.target --log-target=null
