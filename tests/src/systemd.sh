#!/bin/bash
# Runs a bare systemd in its own namespaces with our unit: systemd.sh DIRECTORY PROGRAM CGROUP.
# DIRECTORY has the manifests and drop-ins; what systemd writes goes to file systems that no other process sees.
set -e
dir=$1 program=$2 cgroup=$3
mount --make-rprivate /
mount -t tmpfs tmpfs /srv
mkdir /srv/upper /srv/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/srv/upper,workdir=/srv/work /etc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mount -t tmpfs tmpfs /usr/local/bin
cp "$program" /usr/local/bin/entropool
mkdir -p /etc/entropool /run/systemd/system/entropool.service.d
mount --bind "$dir/manifests" /etc/entropool
mount --bind "$dir/drop-ins" /run/systemd/system/entropool.service.d
cp "$dir"/entropool.service "$dir"/*.socket /run/systemd/system/
printf '[Unit]\nDescription=nothing\n' >/run/systemd/system/nothing.target
# Its own part of the hierarchy, which the caller created.
if [ "${cgroup#/sys/fs/cgroup/systemd/}" != "$cgroup" ]; then
  mount -t tmpfs tmpfs /sys/fs/cgroup
  mkdir /sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd none /sys/fs/cgroup/systemd
else
  mount -t cgroup2 none /sys/fs/cgroup
fi
mount --bind /dev/null /dev/console
export container=other
exec /lib/systemd/systemd --system --unit=nothing.target --log-target=null
