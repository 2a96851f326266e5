#!/bin/sh
# A light package of a CERN Open Data record on LXPLUS: everything but the files, whose root://
# addresses stand in fetch.txt, so that jobs can read them from EOS.
#
#     examples/lxplus_light_bag.sh 8884 [TARGET]
#
# The package is put together on the machine's own disk, which is quicker than EOS or AFS, and
# appears in TARGET (default: the current folder) once it is valid.
set -eu

recid=$1
target=${2:-.}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

package=$(
    bic --source cod --recid "$recid" --dry-run --alternate-uri --target "$target" --workdir "$work"
)
bic validate "$package"
echo "$(grep -c . "$package/fetch.txt") files listed in $package/fetch.txt"
