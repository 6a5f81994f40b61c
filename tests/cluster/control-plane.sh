# Sourced after lib.sh: etcd and kube-apiserver at $ADDRESS, with their own certificates.

SERVICES=10.96.0.0/16
SERVER_NAMES="IP:10.96.0.1,IP:127.0.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"

# user NAME SUBJECT: the certificate and the kubeconfig of a client of the API server.
user() {
  certificate "$1" ca "$2"
  cat >"$STATE/$1.conf" <<END
apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: "$1"}}]
clusters: [{name: test, cluster: {server: "https://$ADDRESS:6443", certificate-authority: "$STATE/pki/ca.crt"}}]
users: [{name: "$1", user: {client-certificate: "$STATE/pki/$1.crt", client-key: "$STATE/pki/$1.key"}}]
END
}

certificates() {
  mkdir -p "$STATE"/{pki,log,pid}
  chmod 700 "$STATE/pki"
  authority ca
  certificate apiserver ca /CN=kube-apiserver "IP:$ADDRESS,$SERVER_NAMES"
  user admin /O=system:masters/CN=admin
  [ -s "$STATE/pki/accounts.key" ] || openssl genrsa -out "$STATE/pki/accounts.key" 2048 2>/dev/null
}

start_etcd() {
  spawn etcd "$BIN/etcd" --name test --data-dir "$STATE/etcd" --unsafe-no-fsync --log-level warn \
    --listen-client-urls "http://$ADDRESS:2379" --advertise-client-urls "http://$ADDRESS:2379" \
    --listen-peer-urls "http://$ADDRESS:2380" --initial-advertise-peer-urls "http://$ADDRESS:2380" \
    --initial-cluster "test=http://$ADDRESS:2380"
}

# start_apiserver FLAGS...: starts an API server with the common flags and FLAGS.
start_apiserver() {
  local pki=$STATE/pki
  spawn kube-apiserver "$BIN/kube-apiserver" --etcd-servers="http://$ADDRESS:2379" \
    --bind-address="$ADDRESS" --advertise-address="$ADDRESS" --secure-port=6443 \
    --service-cluster-ip-range=$SERVICES --allow-privileged=true --profiling=false \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --client-ca-file="$pki/ca.crt" --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
    --service-account-issuer=https://kubernetes.default.svc \
    --service-account-key-file="$pki/accounts.key" --service-account-signing-key-file="$pki/accounts.key" \
    --audit-policy-file="$HERE/audit.yaml" --audit-log-path="$STATE/log/audit.log" "$@"
}

listens() { (: <"/dev/tcp/$ADDRESS/$1"); }
is_ready() { "$BIN/kubectl" --kubeconfig "$STATE/admin.conf" get --raw=/readyz; }

wait_for_apiserver() {
  # Opening a port costs nothing; kubectl would use the processor that the server needs to start.
  wait_for 600 "the port of kube-apiserver" listens 6443
  wait_for 600 "a ready kube-apiserver" is_ready
}
