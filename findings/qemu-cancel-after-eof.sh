#!/usr/bin/env bash
# Question: a QEMU source with the capability return-path has sent its whole stream, EOF and the
#   description too, and waits for the destination to confirm it. What does migrate_cancel do then?
# One would guess: it is refused, or the machine stays stopped at the source and a status says that
#   it may run at the destination, since a QEMU destination starts the machine at EOF.
# What happens: the migration is `cancelled` and the machine is `running` at the source again.
# Why it matters: a destination that has read the stream may run it too. Who cancels late over QMP
#   has to ask both ends which one to stop; an engine at the other end cannot prevent it.
#
# QEMU 7.2 of Debian 12, `-M none`, over a unix socket. The destination is played: it reads all of
# the stream and says nothing. The machine has no processor; the run state is what is shown.
set -euo pipefail

VERSION=1:7.2+dfsg-7+deb12u18+b3
DATA=1:7.2+dfsg-7+deb12u18
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT

apt-get update -qq >/dev/null
mkdir -p "$folder/debs/partial"
apt-get install -qq -y --no-install-recommends --reinstall --allow-downgrades --download-only \
    -o APT::Sandbox::User=root -o Dir::Cache::archives="$folder/debs" \
    qemu-system-x86="$VERSION" qemu-system-common="$VERSION" qemu-system-data="$DATA" >/dev/null 2>&1
for deb in "$folder"/debs/*.deb; do dpkg -x "$deb" "$folder/root"; done
export LD_LIBRARY_PATH="$folder/root/usr/lib/x86_64-linux-gnu:$folder/root/lib/x86_64-linux-gnu"
qemu="$folder/root/usr/bin/qemu-system-x86_64"
"$qemu" --version | head -n 1

"$qemu" -L "$folder/root/usr/share/qemu" -M none -m 4M -nodefaults -display none \
    -qmp unix:"$folder/qmp",server=on,wait=off &

python3 - "$folder" <<'PY'
import json, os, socket, sys, time

folder = sys.argv[1]
deadline = time.time() + 60

def connect(path):
    while time.time() < deadline:
        try:
            s = socket.socket(socket.AF_UNIX)
            s.connect(path)
            return s
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nobody listens at {path}")

qmp = connect(f"{folder}/qmp").makefile("rw")
json.loads(qmp.readline())

def execute(command, **arguments):
    qmp.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
    qmp.flush()
    while True:
        answer = json.loads(qmp.readline())
        if "return" in answer or "error" in answer:
            return answer.get("return", answer.get("error"))

execute("qmp_capabilities")
execute("migrate-set-capabilities", capabilities=[{"capability": "return-path", "state": True}])
listener = socket.socket(socket.AF_UNIX)
listener.bind(f"{folder}/destination")
listener.listen()
print("before:", execute("query-status")["status"])
execute("migrate", uri=f"unix:{folder}/destination")
peer, _ = listener.accept()
peer.settimeout(2)
stream = b""
try:
    while True:
        read = peer.recv(1 << 16)
        if not read:
            break
        stream += read
except TimeoutError:
    pass  # nothing more comes: all of it is here, and it waits for the word
print("the stream ends with its description:", stream.rstrip(b"\0").endswith(b"}"))
print("while it waits:", execute("query-migrate")["status"], execute("query-status")["status"])
execute("migrate_cancel")
# Until it has noticed: the played destination says nothing and closes nothing.
while time.time() < deadline:
    status = execute("query-migrate")["status"]
    if status in ("cancelled", "failed", "completed"):
        break
    time.sleep(0.05)
state = execute("query-status")["status"]
print("after migrate_cancel:", status, state)
execute("quit")
if (status, state) != ("cancelled", "running"):
    sys.exit("QEMU behaves otherwise now")
PY
# Seen:
#   QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)
#   before: running
#   the stream ends with its description: True
#   while it waits: active finish-migrate
#   after migrate_cancel: cancelled running
