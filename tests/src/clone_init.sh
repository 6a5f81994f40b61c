#!/bin/busybox sh
# The first program of a guest that runs the daemon, and is cloned. It serves three pools to clients of its own, says
# "ready", and then, for each line on the serial line, draws from each pool and prints what it got.
PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
ip link set lo up

# Every clone has the same samples, as if the source were not what protects them.
dd if=/dev/urandom of=/tmp/noise bs=1M count=4 2>/dev/null
cat > /tmp/pools.yaml <<'Y'
{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {name: kernel}, spec: {}}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: full}
spec: {output: FullEntropy, sources: [{name: noise, minEntropyPerByte: '8', file: {path: /tmp/noise}}]}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: stretched}
spec: {output: Stretched, sources: [{name: noise, minEntropyPerByte: '8', file: {path: /tmp/noise}}]}
Y
pools='kernel full stretched'
port=7000 vms=''
for pool in $pools; do
  port=$((port + 1))
  vms="$vms --tcp 127.0.0.1:$port=$pool,client=egd"
done
entropool run -f /tmp/pools.yaml --run-dir /run/entropool --state-dir /tmp/state --socket-dir /run/vms \
  --allow-test-sources $vms > /tmp/log 2>&1 &
sleep 0.1
tail -f /tmp/log &
until grep -q "attached.*:$port" /tmp/log; do sleep 0.1; done

# The connections are older than any clone, as those of a QEMU are.
port=7000
for pool in $pools; do
  port=$((port + 1))
  mkfifo "/tmp/$pool.in" "/tmp/$pool.out"
  nc 127.0.0.1 $port < "/tmp/$pool.in" > "/tmp/$pool.out" &
done
exec 3> /tmp/kernel.in 4> /tmp/full.in 5> /tmp/stretched.in 6< /tmp/kernel.out 7< /tmp/full.out 8< /tmp/stretched.out

# draw POOL IN OUT: requests 240 bytes.
draw() {
  printf '\002\360' >&"$2"
  echo "bytes $1 $(dd bs=1 count=240 2>/dev/null <&"$3" | od -An -v -tx1 | tr -d ' \n')"
}
draw_all() { draw kernel 3 6; draw full 4 7; draw stretched 5 8; }

draw_all
echo "ready $(uname -r)"
while read -r _; do draw_all; done < /dev/ttyS0
