#!/usr/bin/env bash
# Question: a guest writes faster than its memory is sent. When does a QEMU source stop it with
#   downtime-limit 0?
# One would guess: never. The limit is what the stop may cost, and 0 is the strictest: with 300 the
#   migration does not converge, so with 0 it cannot either.
# What happens: with 0 the guest is stopped after the first pass, whatever is left by then; with 300
#   the passes go on. QEMU asks the exact dirty log only if its estimate is below the threshold, which
#   is 0: the estimate after a pass is 0 too, is not below it, and counts as nothing left.
# Why it matters: 0 is no limit at all. Who means "no downtime" gets the longest one.
#
# QEMU 10.0.2 of Debian's bookworm-backports under TCG. The guest is a boot sector that writes to 112
# pages in turn; the bandwidth is 300 kB/s, so a pass over them takes longer than 300 ms.
set -euo pipefail

VERSION=1:10.0.2+ds-2+deb13u1~bpo12+1
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT

mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
mkdir -p "$folder/debs/partial" "$folder/lists/partial" "$folder/parts"
echo "deb $mirror bookworm main" >"$folder/sources.list"
echo "deb $mirror bookworm-backports main" >>"$folder/sources.list"
apt=(-qq -o "Dir::Etc::sourcelist=$folder/sources.list" -o "Dir::Etc::sourceparts=$folder/parts"
    -o "Dir::State::lists=$folder/lists" -o APT::Sandbox::User=root)
apt-get update "${apt[@]}" >/dev/null
apt-get install "${apt[@]}" -y --no-install-recommends --reinstall --allow-downgrades --download-only \
    -o Dir::Cache::archives="$folder/debs" -t bookworm-backports \
    qemu-system-x86="$VERSION" qemu-system-common="$VERSION" qemu-system-data="$VERSION" seabios=1.16.3-2~bpo12+1 >/dev/null 2>&1
for deb in "$folder"/debs/*.deb; do dpkg -x "$deb" "$folder/root"; done
export LD_LIBRARY_PATH="$folder/root/usr/lib/x86_64-linux-gnu:$folder/root/lib/x86_64-linux-gnu"
export QEMU_MODULE_DIR="$folder/root/usr/lib/x86_64-linux-gnu/qemu"
qemu="$folder/root/usr/bin/qemu-system-x86_64"
"$qemu" --version | head -n 1

python3 - "$folder" "$qemu" <<'PY'
import json, subprocess, sys, time

folder, qemu = sys.argv[1:]
# mov ax,0x2000; again: mov es,ax; inc byte [es:0]; add ax,0x100; cmp ax,0x9000; jb again; jmp 0
code = bytes.fromhex("b80020 8ec0 26fe060000 050001 3d0090 72f1 ebec")
with open(f"{folder}/boot", "wb") as boot:
    boot.write(code.ljust(510, b"\0") + b"\x55\xaa")

def outcome(limit):
    process = subprocess.Popen(
        [qemu, "-L", f"{folder}/root/usr/share/qemu", "-L", f"{folder}/root/usr/share/seabios",
         "-M", "pc", "-accel", "tcg", "-m", "16M", "-nodefaults", "-display", "none", "-qmp", "stdio",
         "-drive", f"file={folder}/boot,format=raw,if=floppy,readonly=on", "-boot", "a"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    json.loads(process.stdout.readline())

    def execute(command, **arguments):
        process.stdin.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        process.stdin.flush()
        while True:
            answer = json.loads(process.stdout.readline())
            if "return" in answer or "error" in answer:
                return answer["return"]

    execute("qmp_capabilities")
    time.sleep(3)  # the guest boots
    execute("migrate-set-parameters", **{"downtime-limit": limit, "max-bandwidth": 300000})
    execute("migrate", uri="exec:cat >/dev/null")
    end = time.time() + 20
    while time.time() < end:
        info = execute("query-migrate")
        if info["status"] == "completed":
            break
        if info["status"] == "active" and info["ram"]["dirty-sync-count"] > 20:
            break
        time.sleep(0.05)
    execute("quit")
    process.wait()
    print(f"downtime-limit {limit}: {info['status']}, dirty-sync-count {info['ram']['dirty-sync-count']}")
    return info["status"], info["ram"]["dirty-sync-count"]

# The log is read once for each pass, and once more when the guest has stopped.
assert outcome(0) == ("completed", 2)
status, passes = outcome(300)
assert status == "active" and passes > 20
PY
echo "as described"
