#!/bin/sh
# Makes the certificates of the tests anew, good for a hundred years; takes openssl 3. The keys are no secrets: nothing
# but the tests trusts them.
#
#     ca.pem                    the authority of a cluster
#     node-1.pem, .key, ...     nodes of that cluster, each with its name as an alternative name
#     common.pem, .key          one with a name as its common name, and no other
#     posing-dns.pem, ...       ones of node 3, with a name of this or another kind that reads as if node 2's followed it
#     ca-next.pem               the authority that takes the place of the first
#     next-2.pem, .key          node 2, signed by that one
#     stranger.pem, .key        signed by an authority of somebody else's, for node 2
set -e
cd "$(dirname "$0")"
made=$(mktemp -d)
trap 'rm -r "$made"' EXIT

authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 \
    -keyout "$made/$1.key" -out "$made/$1.pem" -subj "/CN=$2" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
}

# signed AUTHORITY FILE "/CN=COMMON NAME" ["subjectAltName=..."]
signed() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$2.key" -out "$made/$2.csr" -subj "$3"
  printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n%s\n' "$4" > "$made/extensions"
  openssl x509 -req -in "$made/$2.csr" -CA "$made/$1.pem" -CAkey "$made/$1.key" -days 36500 \
    -extfile "$made/extensions" -out "$2.pem"
}

authority ours "the cluster of the tests"
authority next "the next authority of the tests"
authority theirs "somebody else"
for id in 1 2 3; do signed ours node-$id "/CN=one of the cluster" "subjectAltName=DNS:node-$id,DNS:localhost"; done
signed ours common /CN=node-2 ""
signed ours posing-dns /CN=node-3 "subjectAltName=@names
[names]
DNS.1=node-3, DNS:node-2"
signed ours posing-uri /CN=node-3 "subjectAltName=@names
[names]
URI.1=http://node-3/, DNS:node-2"
signed ours posing-email /CN=node-3 "subjectAltName=@names
[names]
email.1=node-3, DNS:node-2"
signed ours posing-directory /CN=node-3 "subjectAltName=@names
[names]
dirName=subject
[subject]
CN=node-3, DNS:node-2"
signed theirs stranger /CN=node-2 "subjectAltName=DNS:node-2"
signed next next-2 "/CN=one of the cluster" "subjectAltName=DNS:node-2,DNS:localhost"
cp "$made/ours.pem" ca.pem
cp "$made/next.pem" ca-next.pem
