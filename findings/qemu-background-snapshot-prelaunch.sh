#!/usr/bin/env bash
# Question: can a machine that was started with -S be saved by a background snapshot before its
#   first `cont`?
# One would guess: yes, as by any other migration. It does not run, so nothing writes to its memory.
# What happens: QEMU aborts ("invalid runstate transition: 'prelaunch' -> 'paused'", SIGABRT). The
#   snapshot stops the machine for its devices, and a stop is allowed only from a running state. The
#   file ends after the list of RAM blocks.
# Why it matters: a test or a manager that saves a machine which has not begun loses it. The
#   background snapshot is the only kind of migration where the state of the machine matters so.
#
# QEMU 7.2.22 of Debian bookworm, or the QEMU that is named as the first argument (10.0.2 is the
# same). It needs a kernel with write protection by userfaultfd.
set -euo pipefail

qemu=${1:-qemu-system-x86_64}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$qemu" --version | head -n 1

status=0
printf 'migrate_set_capability background-snapshot on\nmigrate "exec:cat > %s"\nquit\n' "$folder/file" |
    "$qemu" -M none -m 4M -S -nodefaults -display none -monitor stdio \
        >"$folder/out" 2>"$folder/err" || status=$?
if grep -q 'not supported' "$folder/out"; then
    echo "no write protection on this host"
    exit 0
fi
cat "$folder/err"
echo "exit status $status (134 is SIGABRT), $(stat -c %s "$folder/file") bytes saved"
grep -q "invalid runstate transition: 'prelaunch' -> 'paused'" "$folder/err"
[ "$status" = 134 ]
