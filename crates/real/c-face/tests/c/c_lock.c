// The big lock, when it is C's: system/cpus.c of QEMU, as far as needed.
#include <pthread.h>

#include "check.h"

static pthread_mutex_t big_lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool locked;

void bql_lock(void)
{
    CHECK(!locked);
    CHECK(pthread_mutex_lock(&big_lock) == 0);
    locked = true;
}

void bql_unlock(void)
{
    CHECK(locked);
    locked = false;
    CHECK(pthread_mutex_unlock(&big_lock) == 0);
}

bool bql_locked(void)
{
    return locked;
}
