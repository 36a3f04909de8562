// The lock in what runs last: a destructor of a pthread key, and a function given to atexit.
#include <pthread.h>

#include "check.h"

static pthread_key_t key;

// What a device may do when it goes.
static void ask(void)
{
    CHECK(!bql_locked());
    bql_lock();
    CHECK(bql_locked());
    CHECK(!migration_is_running());
    LastrefObserver *observer = lastref_observer_new(LASTREF_DIRECTION_OUTGOING);
    CHECK(observer);
    bql_unlock();
    CHECK(!bql_locked());
    CHECK(lastref_observer_wait(observer, 0) == LASTREF_MIGRATION_STATUS_NONE);
    lastref_observer_free(observer);
}

static void ask_with_the_thread(void *value)
{
    ask();
    ++*(int *)value;
}

static void *use_the_lock(void *value)
{
    CHECK(pthread_setspecific(key, value) == 0);
    ask();
    return NULL;
}

// Only its end uses the lock.
static void *use_no_lock(void *value)
{
    CHECK(pthread_setspecific(key, value) == 0);
    return NULL;
}

static void shut_down(void)
{
    ask();
    bql_lock();
    migration_shutdown();
    bql_unlock();
}

// With the main thread's lock held to the end, as QEMU's is: it is seen to be held.
static void ask_with_the_lock(void)
{
    CHECK(bql_locked());
    CHECK(!migration_is_running());
    bql_unlock();
    CHECK(!bql_locked());
    ask();
}

static void init(void)
{
    bql_lock();
    CHECK(migration_object_init(lastref_machine_none(NULL, 1 << 20, NULL), NULL) == 0);
    bql_unlock();
}

void late(void)
{
    init();
    CHECK(pthread_key_create(&key, ask_with_the_thread) == 0);
    void *(*const uses[])(void *) = { use_the_lock, use_no_lock };
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        int ends = 0;
        CHECK(pthread_create(&thread, NULL, uses[i], &ends) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(ends == 1);
    }
    CHECK(atexit(shut_down) == 0);
}

void late_with_the_lock(void)
{
    init();
    CHECK(atexit(ask_with_the_lock) == 0);
    bql_lock();
}
