#!/usr/bin/env bash
# One would guess: ssh-key with its `rsa` feature signs with the RSA keys that ssh-keygen makes, as it does with Ed25519.
# True: it reads them and gives their public half, and every signature fails with a cryptographic error: it hands the same
#   prime to the RSA library twice.
# Seen with ssh-key 0.6.7 and keys of OpenSSH 9.2.
set -euo pipefail
case " $* " in *" --help "* | *" -h "*)
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
  exit
  ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir src
manifest() {
  printf '[package]\nname = "shown"\nversion = "0.0.0"\nedition = "2024"\n[dependencies]\n%s\n[workspace]\n' "$1" >Cargo.toml
}
expect() { grep -qxF "$1" seen || { echo "no longer so: $1" >&2; exit 1; }; }
manifest 'ssh-key = { version = "=0.6.7", default-features = false, features = ["std", "ed25519", "rsa"] }'
cat >src/main.rs <<'R'
use ssh_key::{HashAlg, PrivateKey};
use std::path::Path;

fn main() {
    for name in ["ed25519", "rsa"] {
        let key = PrivateKey::read_openssh_file(Path::new(name)).unwrap();
        let signed = key.sign("file", HashAlg::Sha512, b"text");
        println!("{name}: {}", signed.map_or_else(|error| error.to_string(), |_| "signed".into()));
    }
}
R
ssh-keygen -q -t ed25519 -N '' -f ed25519
ssh-keygen -q -t rsa -b 3072 -N '' -f rsa
cargo run --quiet >seen
cat seen
expect 'ed25519: signed'
expect 'rsa: cryptographic error'
