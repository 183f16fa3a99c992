/*-------------------------------------------------------------------------
 *
 * scarce_memory.c
 *	  Has malloc() fail now and then, in one process.
 *
 * To be preloaded.  CDR_TEST_MEMORY names a file of three 32-bit numbers: the
 * process concerned (0: none), of how many calls one fails, and how many have
 * failed, which is counted here.  Every process maps it, so that a test can
 * begin and end the scarcity at any time.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct Control
{
	int32_t process;
	int32_t one_in;
	int32_t failed;
} Control;

/* glibc's own, by the names under which it exports them for this */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static volatile Control *control;
static unsigned int		 calls;

static void __attribute__((constructor)) map_control(void)
{
	const char *path = getenv("CDR_TEST_MEMORY");
	int			fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	void	   *memory;

	if (fd < 0)
		return;
	memory =
		mmap(NULL, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory != MAP_FAILED)
		control = memory;
}

static int
fails(void)
{
	if (control == NULL || control->process == 0 ||
		control->process != getpid() || ++calls % control->one_in != 0)
		return 0;
	control->failed++;
	errno = ENOMEM;
	return 1;
}

void *
malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return fails() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *memory, size_t size)
{
	return fails() ? NULL : __libc_realloc(memory, size);
}
