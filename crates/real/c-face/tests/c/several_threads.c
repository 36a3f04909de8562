// The lock keeps C threads and the migration thread apart.
#include <pthread.h>

#include "check.h"

#define THREADS 4
#define ROUNDS 5000

// Only the holder of the lock touches it; it is no atomic on purpose.
static long counter;
static int calls;

static int notify(LastrefNotifier *notifier, LastrefMigrationEvent *event, LastrefError **errp)
{
    (void)notifier, (void)event, (void)errp;
    calls++;
    for (int round = 0; round < ROUNDS; round++) {
        counter++;
        bql_unlock();
        bql_lock();
    }
    return 0;
}

static void *count(void *unused)
{
    for (int round = 0; round < ROUNDS; round++) {
        bql_lock();
        long before = counter;
        (void)migration_is_running();
        (void)migrate_announce_params();
        CHECK(counter == before);
        counter = before + 1;
        bql_unlock();
    }
    return unused;
}

void several_threads(const char *folder)
{
    char uri[8192];
    snprintf(uri, sizeof uri, "file:%s/stream", folder);
    LastrefNotifier notifier = { NULL };
    bql_lock();
    CHECK(migration_object_init(lastref_machine_none(NULL, 1 << 20, NULL), NULL) == 0);
    migration_add_notifier(&notifier, notify);
    LastrefObserver *observer = lastref_observer_new(LASTREF_DIRECTION_OUTGOING);
    CHECK(lastref_migrate(uri, NULL) == 0);
    bql_unlock();
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, count, NULL) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    CHECK(lastref_observer_wait(observer, LONG_MS) == LASTREF_MIGRATION_STATUS_COMPLETED);
    bql_lock();
    CHECK(calls == 2);
    CHECK(counter == (long)(THREADS + calls) * ROUNDS);
    migration_remove_notifier(&notifier);
    migration_shutdown();
    bql_unlock();
    lastref_observer_free(observer);
}
