#!/usr/bin/env bash
# Question: a private mapping of a file was never touched. The kernel tracks writes to it (userfaultfd
#   with WP_ASYNC), and each place is write-protected. What does /proc/self/pagemap say of its pages?
# One would guess: that nothing is there, as before: no page is, no store was, nothing was swapped.
# What happens: every page reads as swapped, in bit 62 of its entry and as PAGE_IS_SWAPPED of
#   PAGEMAP_SCAN, on a machine without swap too. The protection of a place without a page is a marker
#   in the page table, and whatever is no page and not nothing counts as swapped.
# Why it matters: who finds untouched memory by the page map, to skip it, finds none after tracking
#   began. And a page that this process wrote and the kernel swapped out looks the same, so there is no
#   telling them apart. Protect only what is there: a private page that comes later comes unprotected.
#
# Linux 6.7 or later and a C compiler.
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
#define SWAPPED (1 << 4)
#define FEATURES (1 << 12 | 1 << 13 | 1 << 15)
#define NEEDS(call) if ((call) < 0) { perror("this kernel cannot: " #call); exit(2); }

enum { PAGE = 4096, PAGES = 56 };
static char *memory;
static int pagemap, wrong;

static void look(const char *when, int expected)
{
    uint64_t entries[PAGES];
    NEEDS(pread(pagemap, entries, sizeof entries, (uintptr_t)memory / PAGE * 8));
    int present = 0, swapped = 0;
    for (int i = 0; i < PAGES; i++) {
        present += entries[i] >> 63 & 1;
        swapped += entries[i] >> 62 & 1;
    }
    struct region found[PAGES];
    struct scan scan = { sizeof scan, 0, (uintptr_t)memory, (uintptr_t)memory + PAGES * PAGE, 0,
        (uintptr_t)found, PAGES, 0, 0, SWAPPED, 0, SWAPPED };
    int regions = ioctl(pagemap, SCAN, &scan), scanned = 0;
    NEEDS(regions);
    for (int i = 0; i < regions; i++) {
        scanned += (found[i].end - found[i].start) / PAGE;
    }
    printf("%-16s of %d pages %d are present, %d swapped; by the scan %d are swapped\n", when, PAGES,
           present, swapped, scanned);
    wrong |= present || swapped != expected || scanned != expected;
}

int main(void)
{
    int file = memfd_create("image", MFD_CLOEXEC);
    NEEDS(file);
    NEEDS(ftruncate(file, PAGES * PAGE));
    memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    pagemap = open("/proc/self/pagemap", O_RDONLY);
    NEEDS(pagemap);
    look("mapped:", 0);
    int fd = syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */);
    NEEDS(fd);
    struct uffdio_api api = { .api = UFFD_API, .features = FEATURES };
    NEEDS(ioctl(fd, UFFDIO_API, &api));
    struct uffdio_range all = { (uintptr_t)memory, PAGES * PAGE };
    struct uffdio_register registered = { .range = all, .mode = UFFDIO_REGISTER_MODE_WP };
    NEEDS(ioctl(fd, UFFDIO_REGISTER, &registered));
    look("registered:", 0);
    struct uffdio_writeprotect protect = { .range = all, .mode = UFFDIO_WRITEPROTECT_MODE_WP };
    NEEDS(ioctl(fd, UFFDIO_WRITEPROTECT, &protect));
    look("protected:", PAGES);
    NEEDS(ioctl(fd, UFFDIO_UNREGISTER, &all));
    look("unregistered:", 0);
    return wrong;
}
C
uname -r
cc -O1 -Wall -o "$folder/finding" "$folder/finding.c"
"$folder/finding" || { echo "the kernel behaves otherwise, or cannot do it"; exit 1; }
# Seen:
#   6.18.44-fc-v857
#   mapped:          of 56 pages 0 are present, 0 swapped; by the scan 0 are swapped
#   registered:      of 56 pages 0 are present, 0 swapped; by the scan 0 are swapped
#   protected:       of 56 pages 0 are present, 56 swapped; by the scan 56 are swapped
#   unregistered:    of 56 pages 0 are present, 0 swapped; by the scan 0 are swapped
