// A C program that uses migration from outside, as QEMU's devices and monitor do.
#include <string.h>

#include "check.h"

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "life")) {
        life(argv[2], "exec:cat > ");
    } else if (argc == 3 && !strcmp(argv[1], "life-without-exec")) {
        life(argv[2], "file:");
    } else if (argc == 3 && !strcmp(argv[1], "several-threads")) {
        several_threads(argv[2]);
    } else if (argc == 3 && !strcmp(argv[1], "peer-goes")) {
        peer_goes(argv[2]);
    } else if (argc == 2 && !strcmp(argv[1], "end-with-the-lock")) {
        // QEMU's main does: nobody else shall have the lock while the process ends.
        bql_lock();
    } else if (argc == 2 && !strcmp(argv[1], "late")) {
        late();
    } else if (argc == 2 && !strcmp(argv[1], "late-with-the-lock")) {
        late_with_the_lock();
    } else if (argc == 2 && !strcmp(argv[1], "misuses")) {
        list_misuses();
    } else if (argc == 3 && !strcmp(argv[1], "misuse")) {
        return misuse(argv[2]) ? 0 : 2;
    } else {
        return 2;
    }
    puts("done");
    return 0;
}
