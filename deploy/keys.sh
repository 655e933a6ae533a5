#!/bin/sh
# Makes a directory with the sample configuration and the secrets and certificates
# that it names, for a trial:
#   deploy/keys.sh DIR            for this machine
#   deploy/keys.sh DIR compose    for the containers of compose.yaml
# The random keys and tokens are fit for use. The certificates are signed by a CA
# of this directory: replace tls.pem and as4.pem by those of your authority, and
# partner.pem and the CA files by your partners'. Nothing that exists is replaced.
set -eu
dir=${1:?usage: keys.sh DIR [compose]}
mode=${2:-}
from=$(cd "$(dirname "$0")" && pwd)
umask 077
mkdir -p "$dir" && cd "$dir"

# 32 random bytes in base64: preview tickets, page sessions, key-encryption key.
for k in ticket.key session.key wrap-1.key; do
  [ -e "$k" ] || openssl rand -base64 32 >"$k"
done
# The pair of the exchange log. Take log-1.key away from this host.
[ -e log-1.key ] || openssl genpkey -algorithm X25519 -out log-1.key 2>/dev/null
[ -e log-1.pub ] || openssl pkey -in log-1.key -pubout -out log-1.pub
# The webhook secret, in the form of Standard Webhooks.
[ -e webhook.secret ] || echo "whsec_$(openssl rand -base64 32)" >webhook.secret
# Secrets that others give you; here random.
for s in eid.secret kafka.password redis.password register.password; do
  [ -e "$s" ] || openssl rand -hex 32 >"$s"
done
# Bearer tokens: the caller keeps the token, the configuration its SHA-256.
for t in portal operator; do
  [ -e "$t.token" ] || openssl rand -hex 32 | tr -d '\n' >"$t.token"
done

# A CA of this directory.
[ -e ca.pem ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 \
  -subj "/O=oncegate trial/CN=Trial CA" -keyout ca.key -out ca.pem 2>/dev/null

# issue NAME "openssl key options" EXTENSIONS
issue() {
  [ -e "$1.pem" ] && return
  # shellcheck disable=SC2086 # the options are words
  openssl req -new -newkey $2 -nodes -subj "/O=oncegate trial/CN=$1" -keyout "$1.key" -out "$1.csr" 2>/dev/null
  printf '%s\n' "$3" >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 180 -extfile "$1.ext" -out "$1.pem" 2>/dev/null
  rm -f "$1.csr" "$1.ext"
}
issue tls "ec -pkeyopt ec_paramgen_curve:P-256" "subjectAltName=DNS:localhost,DNS:oncegate,IP:127.0.0.1
keyUsage=digitalSignature
extendedKeyUsage=serverAuth"
issue client "ec -pkeyopt ec_paramgen_curve:P-256" "keyUsage=digitalSignature
extendedKeyUsage=clientAuth"
# Access points sign and decrypt with RSA (eDelivery AS4 1.15).
for ap in as4 partner; do
  issue "$ap" "rsa:2048" "keyUsage=digitalSignature,keyEncipherment"
done
rm -f partner.key # the partner's key is the partner's

# The configuration names the tokens by their hashes.
hash() { openssl dgst -sha256 -r "$1" | cut -d' ' -f1; }
for f in routes.yaml pmodes.yaml; do
  [ -e "$f" ] || cp "$from/$f" "$f"
done
if [ ! -e oncegate.yaml ]; then
  sed -e "s/PORTAL_TOKEN_HASH/$(hash portal.token)/" -e "s/OPERATOR_TOKEN_HASH/$(hash operator.token)/" \
    "$from/oncegate.yaml" >oncegate.yaml
  if [ "$mode" = compose ]; then # other hosts; inside a container every address is listened on
    sed -e 's/localhost:9092/kafka:9092/' -e 's/localhost:6379/redis:6379/' -e 's/listen: localhost:844\([123]\)/listen: 0.0.0.0:844\1/' \
      -e 's|dir: audit |dir: /data/audit |' oncegate.yaml >oncegate.new
    mv oncegate.new oncegate.yaml
  fi
fi
