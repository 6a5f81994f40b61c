#!/bin/sh
# What virt-handler reads from a node's libvirt to label the node. Guests are emulated here.
set -e
out=/var/lib/kubevirt-node-labeller
virtqemud -d
virsh domcapabilities --machine q35 --arch x86_64 --virttype qemu >$out/virsh_domcapabilities.xml
virsh hypervisor-cpu-baseline --features $out/virsh_domcapabilities.xml \
  --machine q35 --arch x86_64 --virttype qemu >$out/supported_features.xml
virsh capabilities >$out/capabilities.xml
