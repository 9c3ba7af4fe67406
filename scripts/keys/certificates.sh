# shellcheck shell=bash
# What the scripts that make certificates share. Sourced, never run.

# A certificate that begins now is refused by a server whose clock is behind, and by MySQL 5.6.24
# itself for the rest of the minute.
BACKDATED='1 day ago'
VALID_UNTIL='10 years'
KEY_BITS=2048

# RSA in PKCS#1 form: with any other key MySQL 5.6 starts without TLS and does not say so.
make_key() {
  openssl genrsa -traditional -out "$1" "$KEY_BITS" 2>/dev/null
}

# Settings for `openssl ca`, which unlike `openssl x509` of OpenSSL 3.0 takes a start date.
certificate_settings() {
  local folder=$1
  : >"$folder/index.txt"
  cat <<SETTINGS
[ca]
default_ca = ring
[ring]
database = $folder/index.txt
new_certs_dir = $folder
private_key = $folder/ca.key
rand_serial = yes
default_md = sha256
policy = names
unique_subject = no
[names]
organizationName = optional
commonName = supplied
[req]
distinguished_name = nothing
prompt = no
[nothing]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = ${SUBJECT_ALT_NAMES:-DNS:unused}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
SETTINGS
}

# sign FOLDER EXTENSIONS OPENSSL_CA_ARGUMENT...
sign() {
  local folder=$1 extensions=$2
  shift 2
  openssl ca -batch -notext -config "$folder/ca.cnf" -extensions "$extensions" \
    -startdate "$(date -u -d "$BACKDATED" +%Y%m%d%H%M%SZ)" \
    -enddate "$(date -u -d "$VALID_UNTIL" +%Y%m%d%H%M%SZ)" "$@" 2>"$folder/ca.log" || {
    cat "$folder/ca.log" >&2
    return 1
  }
}

# PEM has no character that JSON escapes, apart from the end of a line.
print_pair() {
  printf '{"certificate": "%s", "key": "%s"}\n' \
    "$(awk '{ printf "%s\\n", $0 }' "$1")" "$(awk '{ printf "%s\\n", $0 }' "$2")"
}
