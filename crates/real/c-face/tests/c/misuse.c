// Every wrong use that is found out: each ends the process with a sentence.
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

static LastrefError *reason(void)
{
    static LastrefError *reason;
    reason = lastref_error_new("a reason");
    return reason;
}

static int agrees(LastrefNotifier *notifier, LastrefMigrationEvent *event, LastrefError **errp)
{
    (void)notifier, (void)event, (void)errp;
    return 0;
}

static int refuses_done(LastrefNotifier *notifier, LastrefMigrationEvent *event,
                        LastrefError **errp)
{
    (void)notifier, (void)errp;
    return event->type == LASTREF_MIG_EVENT_PRECOPY_DONE ? -1 : 0;
}

static int unlocks(LastrefNotifier *notifier, LastrefMigrationEvent *event, LastrefError **errp)
{
    (void)notifier, (void)event, (void)errp;
    bql_unlock();
    return 0;
}

static LastrefObserver *watch;

static int waits(LastrefNotifier *notifier, LastrefMigrationEvent *event, LastrefError **errp)
{
    (void)notifier, (void)event, (void)errp;
    bql_unlock();
    (void)lastref_observer_wait(watch, LONG_MS);
    bql_lock();
    return 0;
}

static LastrefNotifier notifier;

// With the lock held: an object, and an observer of it.
static void init(void)
{
    CHECK(migration_object_init(lastref_machine_none(NULL, 1 << 20, NULL), NULL) == 0);
    watch = lastref_observer_new(LASTREF_DIRECTION_OUTGOING);
}

// Migrates to nowhere, and tells `notify` of it.
static void migrate(LastrefMigrationNotifyFunc notify)
{
    bql_lock();
    init();
    migration_add_notifier(&notifier, notify);
    CHECK(lastref_migrate("exec:cat > /dev/null", NULL) == 0);
    bql_unlock();
    (void)lastref_observer_wait(watch, LONG_MS);
}

static void *shut_down(void *unused)
{
    bql_lock();
    migration_shutdown();
    return unused;
}

static void elsewhere(void *(*run)(void *))
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, run, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

#define NEEDS_THE_LOCK "must hold the lock"

// One case: its name, the function in the sentence, a part of the sentence, and what to do.
#define CASES(X)                                                                              \
    /* A function that needs the lock, without it. */                                         \
    X("no-lock", migration_object_init, NEEDS_THE_LOCK, migration_object_init(NULL, NULL))    \
    X("no-lock", migration_shutdown, NEEDS_THE_LOCK, migration_shutdown())                    \
    X("no-lock", migration_is_running, NEEDS_THE_LOCK, migration_is_running())                \
    X("no-lock", migration_is_idle, NEEDS_THE_LOCK, migration_is_idle())                      \
    X("no-lock", migration_is_active, NEEDS_THE_LOCK, migration_is_active())                  \
    X("no-lock", migration_is_device, NEEDS_THE_LOCK, migration_is_device())                  \
    X("no-lock", migration_is_setup_or_active, NEEDS_THE_LOCK,                                \
      migration_is_setup_or_active())                                                         \
    X("no-lock", migration_thread_is_self, NEEDS_THE_LOCK, migration_thread_is_self())        \
    X("no-lock", migration_file_set_error, NEEDS_THE_LOCK,                                    \
      migration_file_set_error(-1, NULL))                                                     \
    X("no-lock", migrate_mode, NEEDS_THE_LOCK, migrate_mode())                                \
    X("no-lock", migrate_announce_params, NEEDS_THE_LOCK, migrate_announce_params())          \
    X("no-lock", migration_add_notifier, NEEDS_THE_LOCK,                                      \
      migration_add_notifier(&notifier, agrees))                                              \
    X("no-lock", migration_add_notifier_mode, NEEDS_THE_LOCK,                                 \
      migration_add_notifier_mode(&notifier, agrees, 0))                                      \
    X("no-lock", migration_add_notifier_modes, NEEDS_THE_LOCK,                                \
      migration_add_notifier_modes(&notifier, agrees, 1))                                     \
    X("no-lock", migration_remove_notifier, NEEDS_THE_LOCK,                                   \
      migration_remove_notifier(&notifier))                                                   \
    X("no-lock", migrate_add_blocker, NEEDS_THE_LOCK,                                         \
      migrate_add_blocker(&(LastrefError *){ reason() }, NULL))                               \
    X("no-lock", migrate_add_blocker_normal, NEEDS_THE_LOCK,                                  \
      migrate_add_blocker_normal(&(LastrefError *){ reason() }, NULL))                        \
    X("no-lock", migrate_add_blocker_modes, NEEDS_THE_LOCK,                                   \
      migrate_add_blocker_modes(&(LastrefError *){ reason() }, 1, NULL))                      \
    X("no-lock", migrate_add_blocker_internal, NEEDS_THE_LOCK,                                \
      migrate_add_blocker_internal(&(LastrefError *){ reason() }, NULL))                      \
    X("no-lock", lastref_set_only_migratable, NEEDS_THE_LOCK,                                 \
      lastref_set_only_migratable(true))                                                      \
    X("no-lock", lastref_migrate, NEEDS_THE_LOCK, lastref_migrate("file:/nowhere", NULL))     \
    X("no-lock", lastref_migrate_incoming, NEEDS_THE_LOCK,                                    \
      lastref_migrate_incoming("file:/nowhere", NULL))                                        \
    X("no-lock", lastref_migrate_cancel, NEEDS_THE_LOCK, lastref_migrate_cancel())            \
    X("no-lock", lastref_cont, NEEDS_THE_LOCK, lastref_cont(NULL))                            \
    X("no-lock", lastref_confirm_moved, NEEDS_THE_LOCK, lastref_confirm_moved(NULL))          \
    X("no-lock", lastref_status, NEEDS_THE_LOCK, lastref_status(0))                           \
    X("no-lock", lastref_observer_new, NEEDS_THE_LOCK, lastref_observer_new(0))               \
    /* The lock was given back. */                                                            \
    X("lock-given-back", migration_is_running, NEEDS_THE_LOCK,                                \
      bql_lock(), (void)migration_is_running(), bql_unlock(), migration_is_running())         \
    /* Blocking with the lock. */                                                             \
    X("blocks", lastref_observer_wait, "holds the lock",                                      \
      bql_lock(), init(), lastref_observer_wait(watch, 1))                                    \
    X("in-notifier", lastref_observer_wait, "cannot be called from a call-out", migrate(waits)) \
    /* What a notifier may not do. */                                                         \
    X("refuses-done", migration_add_notifier, "refused an event", migrate(refuses_done))      \
    X("returns-unlocked", migration_add_notifier, "returned without it", migrate(unlocks))    \
    /* Arguments that can be seen to be wrong. */                                             \
    X("twice", migration_add_notifier, "added already",                                       \
      bql_lock(), migration_add_notifier(&notifier, agrees),                                  \
      migration_add_notifier(&notifier, agrees))                                              \
    X("null", migration_add_notifier, "NULL", bql_lock(), migration_add_notifier(NULL, agrees)) \
    X("null-function", migration_add_notifier, "NULL",                                        \
      bql_lock(), migration_add_notifier(&notifier, NULL))                                    \
    X("null", migration_remove_notifier, "NULL", bql_lock(), migration_remove_notifier(NULL)) \
    X("mode", migration_add_notifier_mode, "no such mode",                                    \
      bql_lock(), migration_add_notifier_mode(&notifier, agrees, 4))                          \
    X("far-mode", migration_add_notifier_mode, "no such mode",                                \
      bql_lock(), migration_add_notifier_mode(&notifier, agrees, 32))                         \
    X("modes", migration_add_notifier_modes, "no such mode",                                  \
      bql_lock(), migration_add_notifier_modes(&notifier, agrees, 0))                         \
    X("modes", migrate_add_blocker_modes, "no such mode",                                     \
      bql_lock(), migrate_add_blocker_modes(&(LastrefError *){ reason() }, 16, NULL))         \
    X("null", migrate_add_blocker, "NULL", bql_lock(), migrate_add_blocker(NULL, NULL))       \
    X("null-reason", migrate_add_blocker, "NULL",                                             \
      bql_lock(), migrate_add_blocker(&(LastrefError *){ NULL }, NULL))                       \
    X("twice", migrate_add_blocker, "blocks already", bql_lock(), block_twice())              \
    X("null", migrate_del_blocker, "NULL", migrate_del_blocker(NULL))                         \
    X("error-set", lastref_migrate, "errp points to an error already",                        \
      bql_lock(), lastref_migrate("file:/nowhere", &(LastrefError *){ reason() }))            \
    X("null", lastref_migrate, "NULL", bql_lock(), lastref_migrate(NULL, NULL))               \
    X("null", migration_object_init, "NULL", bql_lock(), migration_object_init(NULL, NULL))   \
    X("null", lastref_error_new, "NULL", lastref_error_new(NULL))                             \
    X("null", lastref_observer_status, "NULL", lastref_observer_status(NULL))                 \
    X("direction", lastref_status, "no such direction", bql_lock(), lastref_status(2))        \
    X("other-thread", migration_shutdown, "another thread",                                   \
      bql_lock(), init(), bql_unlock(), elsewhere(shut_down))                                 \
    CASES_OF_THE_LOCK(X)

#ifdef LASTREF_C_LOCK
#define CASES_OF_THE_LOCK(X)
#else
static void *end_with_the_lock(void *unused)
{
    bql_lock();
    return unused;
}

static pthread_key_t key;

static void lock(void *unused)
{
    (void)unused;
    bql_lock();
}

// Lets the library's thread use the lock when it ends.
static int sets_key(LastrefNotifier *notifier, LastrefMigrationEvent *event, LastrefError **errp)
{
    (void)event, (void)errp;
    CHECK(pthread_setspecific(key, notifier) == 0);
    return 0;
}

static void end_of_the_librarys_thread(void)
{
    CHECK(pthread_key_create(&key, lock) == 0);
    migrate(sets_key);
    alarm(LONG_MS / 1000);
    pause();
}

#define CASES_OF_THE_LOCK(X)                                                                  \
    X("librarys-thread-ends", bql_lock, "the calling thread is ending",                       \
      end_of_the_librarys_thread())                                                           \
    X("twice", bql_lock, "holds the lock already", bql_lock(), bql_lock())                    \
    X("without", bql_unlock, "does not hold the lock", bql_unlock())                          \
    X("twice", bql_unlock, "does not hold the lock", bql_lock(), bql_unlock(), bql_unlock())  \
    X("thread-ends", bql_lock, "a thread ended with the lock held",                           \
      elsewhere(end_with_the_lock))
#endif

static void block_twice(void)
{
    LastrefError *once = reason();
    migrate_add_blocker(&once, NULL);
    migrate_add_blocker(&once, NULL);
}

void list_misuses(void)
{
#define LIST(name, function, says, ...) puts(name ":" #function "\t" #function "\t" says);
    CASES(LIST)
}

bool misuse(const char *name)
{
#define RUN(case_name, function, says, ...)          \
    if (!strcmp(name, case_name ":" #function)) {    \
        (void)(__VA_ARGS__);                         \
        return true;                                 \
    }
    CASES(RUN)
    return false;
}
