#!/bin/sh
# Stands in for the target's C compiler, because a check links nothing: creates the output file without content. The crate
# cc runs it with -E to learn its kind (clang) and with -? to learn that it is not Microsoft's.
output=
while [ $# -gt 0 ]; do
    case $1 in
        -E) echo clang; exit 0 ;;
        '-?') exit 1 ;;
        -o) output=$2; shift ;;
    esac
    shift
done
[ -z "$output" ] || : >"$output"
