#!/usr/bin/env bash
# Question: a destination that was started with -incoming defer gets a `migrate-incoming` for an
#   address that it cannot listen at. Can the command be given again with another one?
# One would guess: yes. The command answers with an error, so nothing has begun; QEMU 7.2 allows it.
# What happens: the status is `setup` and stays so, and every further `migrate-incoming` is refused
#   ("Illegal migration incoming state: setup"). query-migrate has no error.
# Why it matters: a manager that tries the next port has to start the process anew, and one that
#   waits for `failed` waits for ever.
#
# QEMU 10.0.2 of Debian's bookworm-backports, `-M none`.
set -euo pipefail

VERSION=1:10.0.2+ds-2+deb13u1~bpo12+1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
mkdir -p "$folder/debs/partial" "$folder/lists/partial" "$folder/parts"
echo "deb $mirror bookworm main" >"$folder/sources.list"
echo "deb $mirror bookworm-backports main" >>"$folder/sources.list"
apt=(-qq -o "Dir::Etc::sourcelist=$folder/sources.list" -o "Dir::Etc::sourceparts=$folder/parts"
    -o "Dir::State::lists=$folder/lists" -o APT::Sandbox::User=root)
apt-get update "${apt[@]}" >/dev/null
apt-get install "${apt[@]}" -y --no-install-recommends --reinstall --allow-downgrades --download-only \
    -o Dir::Cache::archives="$folder/debs" -t bookworm-backports \
    qemu-system-x86="$VERSION" qemu-system-common="$VERSION" qemu-system-data="$VERSION" >/dev/null 2>&1
for deb in "$folder"/debs/*.deb; do dpkg -x "$deb" "$folder/root"; done
export LD_LIBRARY_PATH="$folder/root/usr/lib/x86_64-linux-gnu:$folder/root/lib/x86_64-linux-gnu"
export QEMU_MODULE_DIR="$folder/root/usr/lib/x86_64-linux-gnu/qemu"
qemu="$folder/root/usr/bin/qemu-system-x86_64"
"$qemu" --version | head -n 1

python3 - "$folder" "$qemu" <<'PY'
import json, subprocess, sys

folder, qemu = sys.argv[1:]
process = subprocess.Popen(
    [qemu, "-L", f"{folder}/root/usr/share/qemu", "-M", "none", "-m", "4M", "-nodefaults",
     "-display", "none", "-qmp", "stdio", "-incoming", "defer"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
json.loads(process.stdout.readline())

def execute(command, **arguments):
    process.stdin.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
    process.stdin.flush()
    while True:
        answer = json.loads(process.stdout.readline())
        if "return" in answer or "error" in answer:
            return answer

execute("qmp_capabilities")
first = execute("migrate-incoming", uri=f"unix:{folder}/no-such-folder/socket")
print("first: ", first["error"]["desc"].replace(folder, "FOLDER"))
between = execute("query-migrate")
print("then:  ", between["return"])
second = execute("migrate-incoming", uri=f"unix:{folder}/socket")
print("second:", second)
execute("quit")
process.wait()
assert "Failed to bind socket" in first["error"]["desc"]
assert between["return"] == {"status": "setup"}
assert second["error"]["desc"] == "Illegal migration incoming state: setup"
PY
echo "as described"
