// One machine's migration object from before it is made until after it is gone.
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "check.h"

#define RAM_BYTES (4 << 20)

// A device: the notifier is a part of it, and its function finds the device from there.
typedef struct Device {
    int setups, dones, faileds;
    bool refuses;
    bool goes_at_done;
    bool after_shutdown;
    LastrefNotifier notifier;
} Device;

static int device_notify(LastrefNotifier *notifier, LastrefMigrationEvent *event,
                         LastrefError **errp)
{
    Device *device = (Device *)((char *)notifier - offsetof(Device, notifier));
    // The thread that calls holds the lock, and every helper works. After shutdown the object
    // is not the outside's any more, and the answers are those without one.
    CHECK(bql_locked());
    CHECK(migration_is_running() == !device->after_shutdown);
    CHECK(migration_thread_is_self() == !device->after_shutdown);
    LastrefError *reason = lastref_error_new("too late");
    CHECK(migrate_add_blocker(&reason, NULL) == (device->after_shutdown ? 0 : -EBUSY));
    CHECK(!!reason == device->after_shutdown);
    migrate_del_blocker(&reason);
    // It may let the lock go, and take it again.
    bql_unlock();
    CHECK(!bql_locked());
    bql_lock();

    switch (event->type) {
    case LASTREF_MIG_EVENT_PRECOPY_SETUP:
        device->setups++;
        if (device->refuses) {
            *errp = lastref_error_new("the device is busy");
            return -1;
        }
        break;
    case LASTREF_MIG_EVENT_PRECOPY_DONE:
        device->dones++;
        if (device->goes_at_done) {
            migration_remove_notifier(notifier);
        }
        break;
    case LASTREF_MIG_EVENT_PRECOPY_FAILED:
        device->faileds++;
        break;
    }
    return 0;
}

// What every helper answers while there is no object.
static void check_without_object(void)
{
    CHECK(bql_locked());
    CHECK(!migration_is_running() && migration_is_idle());
    CHECK(!migration_is_active() && !migration_is_device() && !migration_is_setup_or_active());
    CHECK(!migration_thread_is_self());
    CHECK(migrate_mode() == LASTREF_MIG_MODE_NORMAL);
    LastrefAnnounceParameters announce = migrate_announce_params();
    CHECK(announce.initial == 50 && announce.max == 550);
    CHECK(announce.rounds == 5 && announce.step == 100);
    CHECK(lastref_status(LASTREF_DIRECTION_OUTGOING) == LASTREF_MIGRATION_STATUS_NONE);
    CHECK(lastref_observer_new(LASTREF_DIRECTION_INCOMING) == NULL);
    migration_file_set_error(-EIO, lastref_error_new("printed, with nothing to fail"));
    migration_file_set_error(-EIO, NULL);
    lastref_migrate_cancel();
    LastrefError *error = NULL;
    CHECK(lastref_migrate("file:/nowhere", &error) == -ENODEV);
    CHECK(strstr(lastref_error_message(error), "there is no migration object"));
    lastref_error_free(error);
    CHECK(lastref_migrate_incoming("file:/nowhere", NULL) == -ENODEV);
    migration_shutdown();
}

static void write_ram(const char *path, bool filled)
{
    FILE *file = fopen(path, "wb");
    CHECK(file);
    unsigned word = 1;
    for (size_t at = 0; at < RAM_BYTES; at += sizeof word) {
        word = filled ? word * 1664525u + 1013904223u : 0;
        CHECK(fwrite(&word, sizeof word, 1, file) == 1);
    }
    CHECK(fclose(file) == 0);
}

static bool same_contents(const char *a_path, const char *b_path)
{
    FILE *a = fopen(a_path, "rb"), *b = fopen(b_path, "rb");
    CHECK(a && b);
    int x, y;
    do {
        x = getc(a);
        y = getc(b);
    } while (x == y && x != EOF);
    fclose(a);
    fclose(b);
    return x == y;
}

static LastrefMachine *machine(const char *ram_file)
{
    LastrefError *error = NULL;
    LastrefMachine *machine = lastref_machine_none(ram_file, RAM_BYTES, &error);
    CHECK(machine && !error);
    return machine;
}

void life(const char *folder, const char *to)
{
    char source[4096], copy[4096], stream[4096], to_stream[8192];
    snprintf(source, sizeof source, "%s/source.ram", folder);
    snprintf(copy, sizeof copy, "%s/copy.ram", folder);
    snprintf(stream, sizeof stream, "%s/stream", folder);
    snprintf(to_stream, sizeof to_stream, "%s%s", to, stream);
    write_ram(source, true);
    write_ram(copy, false);
    LastrefError *error = NULL, *early = NULL, *late = NULL;
    Device device = { 0 };

    // Before there is an object: helpers answer, blockers and notifiers can be added.
    CHECK(!bql_locked());
    bql_lock();
    check_without_object();
    early = lastref_error_new("a disk of -drive");
    CHECK(migrate_add_blocker(&early, &error) == 0 && early && !error);
    migration_add_notifier(&device.notifier, device_notify);

    // A machine that cannot be, and one that is not used.
    CHECK(!lastref_machine_none("/nowhere/ram", RAM_BYTES, &error) && error);
    CHECK(strstr(lastref_error_message(error), "/nowhere/ram"));
    lastref_error_free(error);
    error = NULL;
    CHECK(!lastref_machine_none(NULL, 1000, NULL));
    for (size_t bytes = 4097; bytes < 4105; bytes++) {
        CHECK(!lastref_machine_none(NULL, bytes, &error) && error);
        CHECK(strstr(lastref_error_message(error), "a whole number of 4096-byte pages"));
        lastref_error_free(error);
        error = NULL;
    }
    lastref_machine_free(machine(source));
    lastref_machine_free(NULL);

    // The object; a second one is refused.
    CHECK(migration_object_init(machine(source), &error) == 0 && !error);
    CHECK(migration_object_init(machine(source), &error) == -EEXIST);
    lastref_error_free(error);
    error = NULL;
    LastrefObserver *observer = lastref_observer_new(LASTREF_DIRECTION_OUTGOING);
    CHECK(observer && lastref_observer_status(observer) == LASTREF_MIGRATION_STATUS_NONE);
    CHECK(!migration_is_running() && !lastref_observer_error(observer));

    // The blocker of the time before blocks.
    CHECK(lastref_migrate(to_stream, &error) == -EPERM);
    CHECK(strstr(lastref_error_message(error), "a disk of -drive"));
    lastref_error_free(error);
    error = NULL;
    migrate_del_blocker(&early);
    CHECK(early == NULL);
    migrate_del_blocker(&early);
    CHECK(lastref_migrate("rdma:h:1", &error) == -EINVAL);
    lastref_error_free(error);
    error = NULL;

    // A machine that must stay migratable.
    lastref_set_only_migratable(true);
    early = lastref_error_new("a device");
    CHECK(migrate_add_blocker_normal(&early, &error) == -EACCES && !early && error);
    lastref_error_free(error);
    error = NULL;
    early = lastref_error_new("for cpr-reboot");
    CHECK(migrate_add_blocker_modes(&early, 1u << LASTREF_MIG_MODE_CPR_REBOOT, NULL) == 0);
    migrate_del_blocker(&early);
    early = lastref_error_new("QEMU itself");
    CHECK(migrate_add_blocker_internal(&early, NULL) == 0);
    migrate_del_blocker(&early);
    lastref_set_only_migratable(false);

    // A real migration. It runs from the command on: blockers are too late.
    CHECK(lastref_migrate(to_stream, &error) == 0 && !error);
    CHECK(migration_is_running() && migration_is_setup_or_active());
    CHECK(!migration_thread_is_self());
    late = lastref_error_new("too late");
    CHECK(migrate_add_blocker(&late, &error) == -EBUSY && !late);
    lastref_error_free(error);
    error = NULL;
    CHECK(lastref_migrate("file:/nowhere", NULL) == -EBUSY);
    device.goes_at_done = true;
    bql_unlock();
    CHECK(lastref_observer_wait(observer, LONG_MS) == LASTREF_MIGRATION_STATUS_COMPLETED);
    bql_lock();
    CHECK(device.setups == 1 && device.dones == 1 && device.faileds == 0);
    CHECK(device.notifier.registration == NULL);
    CHECK(lastref_status(LASTREF_DIRECTION_OUTGOING) == LASTREF_MIGRATION_STATUS_COMPLETED);
    CHECK(!strcmp(lastref_status_name(LASTREF_MIGRATION_STATUS_COMPLETED), "completed"));
    LastrefMigrationInfo info = lastref_observer_info(observer);
    CHECK(info.total == RAM_BYTES && info.transferred > RAM_BYTES && info.normal != 0);

    // It has moved, and does not move again. Its image is here still, for another machine.
    CHECK(lastref_migrate("exec:cat > /dev/null", NULL) == -EPERM);
    CHECK(lastref_cont(NULL) == -EPERM);
    CHECK(lastref_confirm_moved(NULL) == -EPERM);
    migration_shutdown();
    lastref_observer_free(observer);
    CHECK(migration_object_init(machine(source), NULL) == 0);
    observer = lastref_observer_new(LASTREF_DIRECTION_OUTGOING);

    // A notifier that refuses: SETUP, then FAILED, and its words are the error.
    Device refuses = { .refuses = true };
    migration_add_notifier_mode(&refuses.notifier, device_notify, LASTREF_MIG_MODE_NORMAL);
    CHECK(lastref_migrate("exec:cat > /dev/null", NULL) == 0);
    bql_unlock();
    CHECK(lastref_observer_wait(observer, LONG_MS) == LASTREF_MIGRATION_STATUS_FAILED);
    error = lastref_observer_error(observer);
    CHECK(strstr(lastref_error_message(error), "the device is busy"));
    lastref_error_free(error);
    error = NULL;
    bql_lock();
    CHECK(refuses.setups == 1 && refuses.dones == 0 && refuses.faileds == 1);
    migration_remove_notifier(&refuses.notifier);
    migration_remove_notifier(&refuses.notifier);
    CHECK(device.setups == 1);

    // A device that cannot go on, and a cancel, with a peer that reads nothing.
    migration_add_notifier_modes(&device.notifier, device_notify, 1u << LASTREF_MIG_MODE_NORMAL);
    CHECK(lastref_migrate("exec:sleep 60", NULL) == 0);
    migration_file_set_error(-EIO, lastref_error_new("the device broke"));
    bql_unlock();
    CHECK(lastref_observer_wait(observer, LONG_MS) == LASTREF_MIGRATION_STATUS_FAILED);
    bql_lock();
    error = lastref_observer_error(observer);
    CHECK(strstr(lastref_error_message(error), "the device broke"));
    lastref_error_free(error);
    error = NULL;
    CHECK(lastref_migrate("exec:sleep 60", NULL) == 0);
    lastref_migrate_cancel();
    CHECK(migration_is_running() && !migration_is_setup_or_active());
    bql_unlock();
    CHECK(lastref_observer_wait(observer, LONG_MS) == LASTREF_MIGRATION_STATUS_CANCELLED);
    bql_lock();
    CHECK(device.faileds == 2 && device.dones == 1);

    // Shutdown while the thread runs. Its last words still come; the helpers are safe.
    late = lastref_error_new("outlives the object");
    CHECK(migrate_add_blocker_modes(&late, 1u << LASTREF_MIG_MODE_CPR_EXEC, NULL) == 0);
    CHECK(lastref_migrate("exec:sleep 60", NULL) == 0);
    migration_shutdown();
    device.after_shutdown = true;
    check_without_object();
    bql_unlock();
    migrate_del_blocker(&late);
    CHECK(lastref_observer_wait(observer, LONG_MS) == LASTREF_MIGRATION_STATUS_CANCELLED);
    bql_lock();
    check_without_object();
    CHECK(device.faileds == 3);
    migration_remove_notifier(&device.notifier);
    early = lastref_error_new("added after shutdown");
    CHECK(migrate_add_blocker(&early, NULL) == 0);
    lastref_observer_free(observer);

    // Another object is given what waited, and loads what the first one sent.
    LastrefMachine *waits = lastref_machine_none_incoming(copy, RAM_BYTES, NULL);
    CHECK(waits && migration_object_init(waits, NULL) == 0);
    CHECK(lastref_migrate("file:/nowhere", NULL) == -EPERM);
    migrate_del_blocker(&early);
    observer = lastref_observer_new(LASTREF_DIRECTION_INCOMING);
    char from_stream[8192];
    snprintf(from_stream, sizeof from_stream, "file:%s", stream);
    CHECK(lastref_migrate_incoming(from_stream, NULL) == 0);
    bql_unlock();
    CHECK(lastref_observer_wait(observer, LONG_MS) == LASTREF_MIGRATION_STATUS_COMPLETED);
    CHECK(same_contents(source, copy));
    bql_lock();
    migration_shutdown();
    check_without_object();
    bql_unlock();
    CHECK(lastref_observer_status(observer) == LASTREF_MIGRATION_STATUS_COMPLETED);
    lastref_observer_free(observer);
}
