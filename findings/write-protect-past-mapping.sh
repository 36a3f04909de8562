#!/usr/bin/env bash
# Question: memory is a shared mapping of a file, and the kernel tracks writes to it (userfaultfd
#   with WP_ASYNC, read with PAGEMAP_SCAN). Which changes of that memory does the tracking find?
# One would guess: all that this process makes, since the page that changes is the same one.
# What happens: it finds stores through the mapping that is registered, the kernel's in read() too. It
#   does not find pwrite() to the file, a store through a second mapping of it, a hole that is
#   punched, or a file that is cut and made longer again. Memory changes, and the page is not "written".
# Why it matters: a dirty log made of it loses such pages. Who receives memory by pwrite(), or lets a
#   second process map it, has to tell the log, or must do so only while no log runs.
#
# Linux 6.7 or later and a C compiler. The file is in memory (memfd).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/finding.c" <<'C'
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* include/uapi/linux/fs.h of Linux 6.7, which the C library may not have yet. */
struct region { uint64_t start, end, categories; };
struct scan {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t inverted, mask, anyof, returned;
};
#define SCAN _IOWR('f', 16, struct scan)
#define WRITTEN (1 << 1)
#define WP_MATCHING_CHECK_ASYNC 3
#define FEATURES (1 << 12 | 1 << 13 | 1 << 15)
#define NEEDS(call) if ((call) < 0) { perror("this kernel cannot: " #call); exit(2); }

enum { PAGE = 4096, PAGES = 8 };
static char *memory;
static int pagemap, wrong;

static void look(const char *what, int page, int value, int expected)
{
    struct region found;
    struct scan scan = { sizeof scan, WP_MATCHING_CHECK_ASYNC, (uintptr_t)memory,
        (uintptr_t)memory + PAGES * PAGE, 0, (uintptr_t)&found, 1, 0, 0, WRITTEN, 0, WRITTEN };
    int regions = ioctl(pagemap, SCAN, &scan);
    NEEDS(regions);
    int is = regions == 1 && found.start == (uintptr_t)memory + page * PAGE;
    printf("%-36s memory is %d, found as written: %s\n", what, memory[page * PAGE], is ? "yes" : "no");
    wrong |= is != expected || (!is && regions) || memory[page * PAGE] != value;
}

int main(void)
{
    int file = memfd_create("ram", MFD_CLOEXEC);
    NEEDS(file);
    NEEDS(ftruncate(file, PAGES * PAGE));
    memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    char *second = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    memset(memory, 7, PAGES * PAGE);
    int fd = syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */);
    NEEDS(fd);
    struct uffdio_api api = { .api = UFFD_API, .features = FEATURES };
    NEEDS(ioctl(fd, UFFDIO_API, &api));
    struct uffdio_range all = { (uintptr_t)memory, PAGES * PAGE };
    struct uffdio_register registered = { .range = all, .mode = UFFDIO_REGISTER_MODE_WP };
    NEEDS(ioctl(fd, UFFDIO_REGISTER, &registered));
    struct uffdio_writeprotect protect = { .range = all, .mode = UFFDIO_WRITEPROTECT_MODE_WP };
    NEEDS(ioctl(fd, UFFDIO_WRITEPROTECT, &protect));
    pagemap = open("/proc/self/pagemap", O_RDONLY);
    NEEDS(pagemap);

    char ones[PAGE];
    memset(ones, 1, PAGE);
    memory[0] = 1;
    look("a store", 0, 1, 1);
    int zeros = open("/dev/zero", O_RDONLY);
    NEEDS(read(zeros, memory + PAGE, PAGE));
    look("read() into it", 1, 0, 1);
    NEEDS(pwrite(file, ones, PAGE, 2 * PAGE));
    look("pwrite() to the file", 2, 1, 0);
    second[3 * PAGE] = 1;
    look("a store through a second mapping", 3, 1, 0);
    NEEDS(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * PAGE, PAGE));
    look("a hole that is punched", 4, 0, 0);
    NEEDS(ftruncate(file, 5 * PAGE));
    NEEDS(ftruncate(file, PAGES * PAGE));
    look("a file that is cut and made longer", 5, 0, 0);
    return wrong;
}
C
uname -r
cc -O1 -Wall -o "$folder/finding" "$folder/finding.c"
"$folder/finding" || { echo "the kernel behaves otherwise, or cannot do it"; exit 1; }
# Seen:
#   6.18.44-fc-v857
#   a store                              memory is 1, found as written: yes
#   read() into it                       memory is 0, found as written: yes
#   pwrite() to the file                 memory is 1, found as written: no
#   a store through a second mapping     memory is 1, found as written: no
#   a hole that is punched               memory is 0, found as written: no
#   a file that is cut and made longer   memory is 0, found as written: no
