//go:build cgo && linux

#define _GNU_SOURCE /* dl_iterate_phdr */
#include <elf.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "footprint.h"

#if defined(SYS_userfaultfd) && __has_include(<linux/userfaultfd.h>)
#include <fcntl.h>
#include <linux/userfaultfd.h>
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef UFFD_FEATURE_WP_ASYNC /* Linux 6.7: nobody has to answer faults */
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif
#endif

enum { SEGMENTS_MAX = 64 };

typedef struct {
	uintptr_t from;
	size_t bytes; /* whole pages */
} segment;

typedef struct {
	segment s[SEGMENTS_MAX];
	int n;
} segments;

/* relocated says whether the loader wrote to segments of an object that nobody else writes: those hold more than the file does. */
static int relocated(const struct dl_phdr_info *o) {
	for (size_t i = 0; i < o->dlpi_phnum; i++)
		if (o->dlpi_phdr[i].p_type == PT_DYNAMIC)
			for (const ElfW(Dyn) *d = (const ElfW(Dyn) *)(o->dlpi_addr + o->dlpi_phdr[i].p_vaddr); d->d_tag != DT_NULL; d++)
				if (d->d_tag == DT_TEXTREL || (d->d_tag == DT_FLAGS && d->d_un.d_val & DF_TEXTREL))
					return 1;
	return 0;
}

/* add takes the segments of a loaded object that nobody writes: what they hold is what the file holds. The kernel's own object has no file. */
static int add(struct dl_phdr_info *o, size_t size, void *to) {
	segments *list = to;
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), kernel = (uintptr_t)getauxval(AT_SYSINFO_EHDR);
	(void)size;
	if ((kernel && o->dlpi_addr == kernel) || relocated(o))
		return 0;
	for (size_t i = 0; i < o->dlpi_phnum && list->n < SEGMENTS_MAX; i++) {
		const ElfW(Phdr) *h = &o->dlpi_phdr[i];
		if (h->p_type != PT_LOAD || h->p_flags & PF_W)
			continue;
		uintptr_t from = (o->dlpi_addr + h->p_vaddr) & ~(page - 1);
		uintptr_t end = (o->dlpi_addr + h->p_vaddr + h->p_filesz + page - 1) & ~(page - 1);
		list->s[list->n++] = (segment){from, end - from};
	}
	return 0;
}

/* constant finds such segments of this binary and of the libraries that it is linked with. */
static void constant(segments *list) {
	list->n = 0;
	dl_iterate_phdr(add, list);
}

/* single makes the kernel map the pages of a list one by one. No call for it exists, but it does so where writes are told to a userfaultfd; nobody writes
   to these. The descriptor stays open. It returns whether the kernel does. A process whose system calls are filtered does not try: filters may end it. */
static int single(const segments *list) {
#ifdef UFFDIO_API
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 0)
		return 0;
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (fd < 0)
		return 0;
	struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_WP_ASYNC};
	int bad = ioctl(fd, UFFDIO_API, &api);
	for (const segment *s = list->s; s < list->s + list->n && !bad; s++) {
		struct uffdio_register r = {.range = {s->from, s->bytes}, .mode = UFFDIO_REGISTER_MODE_WP};
		bad = madvise((void *)s->from, s->bytes, MADV_NOHUGEPAGE) | ioctl(fd, UFFDIO_REGISTER, &r);
	}
	if (bad)
		close(fd);
	return !bad;
#else
	(void)list;
	return 0;
#endif
}

static int isSingle;

/* Before Go's runtime starts, which looks at all types. */
__attribute__((constructor)) static void begin(void) {
	segments list;
	constant(&list);
	isSingle = single(&list);
	footprintDrop();
}

int footprintSingle(void) { return isSingle; }

void footprintDrop(void) {
	segments list;
	constant(&list);
	for (const segment *s = list.s; s < list.s + list.n; s++)
		madvise((void *)s->from, s->bytes, MADV_DONTNEED);
}
