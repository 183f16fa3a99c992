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
 * A process that ends by SIGSEGV appends the address that it could not reach,
 * and the functions that it was in, to the file of that name with ".crashes".
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
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
static char				 crashes[PATH_MAX];

static void
tell_crash(int signal_number, siginfo_t *info, void *context)
{
	void *frames[32];
	int	  fd = open(crashes, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	(void) context;
	if (fd >= 0)
	{
		dprintf(fd, "crash at address %p\n", info->si_addr);
		backtrace_symbols_fd(frames, backtrace(frames, 32), fd);
		close(fd);
	}
	/* once this returns, the process dies, with its core as it was before */
	raise(signal_number);
}

static void
expect_crash(const char *path)
{
	struct sigaction action = {.sa_sigaction = tell_crash,
							   .sa_flags = SA_SIGINFO | SA_RESETHAND};
	void			*frame;

	snprintf(crashes, sizeof(crashes), "%s.crashes", path);
	/* the first call loads a library, which needs memory */
	backtrace(&frame, 1);
	sigaction(SIGSEGV, &action, NULL);
}

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
	{
		control = memory;
		expect_crash(path);
	}
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
