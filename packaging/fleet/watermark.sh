#!/usr/bin/env bash
# Puts the digest of the manifest that an image was baked with onto the image, where its copies inherit it, and into the
# catalogue that sql/questions/catalogue.sql joins with. CloudFormation has no type for either: these are API calls.
#   watermark.sh AMI NAME MANIFEST [CATALOGUE.csv]
set -euo pipefail
case " $* " in *" --help "* | *" -h "*)
  sed -n '2,4s/^# //p' "$0"
  exit
  ;;
esac
[ $# -ge 3 ] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
image=$1 name=$2 manifest=$3 catalogue=${4:-image_catalogue.csv}
[[ $image =~ ^ami-[0-9a-f]+$ ]] || { echo "error: $image is no image id" >&2; exit 2; }
[[ $name != *[,\"]* ]] || { echo "error: a name in the catalogue holds no comma and no quote" >&2; exit 2; }
digest=$(sha256sum <"$manifest" | cut -d' ' -f1)
# At most five watermarks an image, of at most 128 characters each; that there is one already is no fault.
aws ec2 attach-image-watermark --image-id "$image" --watermark-name "host-integrity.$digest"
[ -s "$catalogue" ] || echo image,manifest,name >"$catalogue"
grep -q "^$image,$digest," "$catalogue" || echo "$image,$digest,$name" >>"$catalogue"
echo "$image carries $digest"
