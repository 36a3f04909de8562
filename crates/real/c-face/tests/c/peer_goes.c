// The destination goes away while the source writes to it: an error of the migration, and not the
// end of the program, whatever the program does with SIGPIPE.
#define _DEFAULT_SOURCE // usleep
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

#define RAM_BYTES (16 << 20)

void peer_goes(const char *folder)
{
    char path[4096], uri[8192];
    snprintf(path, sizeof path, "%s/ram", folder);
    FILE *ram = fopen(path, "wb");
    CHECK(ram);
    for (unsigned word = 1; word <= RAM_BYTES / sizeof word; word++) {
        CHECK(fwrite(&word, sizeof word, 1, ram) == 1);
    }
    CHECK(fclose(ram) == 0);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    CHECK(snprintf(address.sun_path, sizeof address.sun_path, "%s/gone", folder)
          < (int)sizeof address.sun_path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(listener >= 0 && !bind(listener, (struct sockaddr *)&address, sizeof address));
    CHECK(!listen(listener, 1));

    bql_lock();
    LastrefError *error = NULL;
    LastrefMachine *machine = lastref_machine_none(path, RAM_BYTES, &error);
    CHECK(machine && migration_object_init(machine, &error) == 0);
    snprintf(uri, sizeof uri, "unix:%s", address.sun_path);
    CHECK(lastref_migrate(uri, &error) == 0);
    bql_unlock();

    int peer = accept(listener, NULL, NULL);
    char some[4096];
    CHECK(peer >= 0 && read(peer, some, sizeof some) > 0);
    CHECK(close(peer) == 0 && close(listener) == 0);
    LastrefMigrationStatus status = LASTREF_MIGRATION_STATUS_NONE;
    for (int ms = 0; ms < LONG_MS && status != LASTREF_MIGRATION_STATUS_FAILED; ms++) {
        usleep(1000);
        bql_lock();
        status = lastref_status(LASTREF_DIRECTION_OUTGOING);
        bql_unlock();
    }
    CHECK(status == LASTREF_MIGRATION_STATUS_FAILED);
    bql_lock();
    migration_shutdown();
    bql_unlock();
    CHECK(unlink(address.sun_path) == 0);
}
