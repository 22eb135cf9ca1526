#!/usr/bin/env bash
# Lets sslyze look at a running adit and judge it by Mozilla's recommendation; fails when it is not met.
# Needs openssl and Python; `tests/tls-scan.sh [program]`, which is target/release/adit without one.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(realpath "${1:-target/release/adit}")
work=$(mktemp -d)
adit=
finish() {
  if [ -n "$adit" ]; then kill "$adit" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT

python3 -m venv "$work/python"
"$work/python/bin/pip" install --quiet sslyze==6.3.1

# A certificate as a public authority makes it, so that only what adit does is judged.
cd "$work"
ec=(-pkeyopt ec_paramgen_curve:P-256 -nodes)
openssl req -x509 -newkey ec "${ec[@]}" -keyout ca.key -out ca.pem -days 3650 -subj '/CN=Scan CA' \
  -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
openssl req -newkey ec "${ec[@]}" -keyout tls.key -out tls.csr -subj /CN=a.example 2>/dev/null
printf '%s\n' subjectAltName=DNS:a.example extendedKeyUsage=serverAuth basicConstraints=CA:FALSE \
  keyUsage=critical,digitalSignature authorityKeyIdentifier=keyid >extensions
openssl x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 90 -extfile extensions -out tls.crt 2>/dev/null
mkdir manifests
{
  cat <<'MANIFEST'
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: app}
spec:
  tls: [{hosts: [a.example], secretName: app}]
  rules: [{host: a.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}}]
---
apiVersion: v1
kind: Secret
metadata: {name: app}
type: kubernetes.io/tls
data:
MANIFEST
  printf '  tls.crt: %s\n  tls.key: %s\n' "$(base64 -w0 tls.crt)" "$(base64 -w0 tls.key)"
} >manifests/app.yaml

"$program" --providers.directory.path="$work/manifests" --entryPoints.websecure.address=127.0.0.1:0 \
  --entryPoints.traefik.address=127.0.0.1:0 >log 2>&1 &
adit=$!
address=
for _ in $(seq 100); do
  address=$(sed -n 's/.*listening.*entryPointName="\?websecure"\? .*address=\([0-9.:]*\).*/\1/p' log)
  if grep -q 'first routing table is installed' log && [ -n "$address" ]; then break; fi
  kill -0 "$adit" || { cat log; exit 1; }
  sleep 0.1
done
"$work/python/bin/sslyze" --certinfo_ca_file ca.pem --mozilla_config intermediate --sni a.example "$address" 2>/dev/null | tee report |
  sed -n '/TLS 1.0\|SSL 2.0/,/Extended Master/p;/COMPLIANCE/,$p'
grep -q "$address: OK - Compliant" report
