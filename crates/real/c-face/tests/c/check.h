// What the parts of the test program share.
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "lastref.h"

#ifdef LASTREF_C_LOCK
// The lock is this program's: c_lock.c.
void bql_lock(void);
void bql_unlock(void);
bool bql_locked(void);
#endif

// The program is the test: it ends at the first claim that does not hold.
#define CHECK(claim)                                                                    \
    do {                                                                                \
        if (!(claim)) {                                                                 \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #claim);  \
            exit(1);                                                                    \
        }                                                                               \
    } while (0)

// A long time: only a test that fails waits for it.
#define LONG_MS 30000

// `to` and the name of a file are the URI of the migration that succeeds.
void life(const char *folder, const char *to);
void several_threads(const char *folder);
void peer_goes(const char *folder);
void late(void);
void late_with_the_lock(void);
void list_misuses(void);
bool misuse(const char *name);

#endif
