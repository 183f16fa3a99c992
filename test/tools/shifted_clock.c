/*-------------------------------------------------------------------------
 *
 * shifted_clock.c
 *	  Has the server's clocks be ahead of the real ones, or behind them.
 *
 * To be preloaded.  CDR_TEST_CLOCK names a file of two 64-bit numbers: the
 * seconds that gettimeofday() is ahead, from which PostgreSQL has its timestamps,
 * and those that the clock is which nobody sets (0, where they are not there).  Every
 * process maps it, so that a test can let hours pass at any time, on both; or set
 * the first one alone.
 *
 *-------------------------------------------------------------------------
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead;

static void __attribute__((constructor)) map_ahead(void)
{
	const char *path = getenv("CDR_TEST_CLOCK");
	int			fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	void	   *memory;

	if (fd < 0)
		return;
	/* (what follows the end of the file in its page is 0) */
	memory = mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (memory != MAP_FAILED)
		ahead = memory;
}

int
clock_gettime(clockid_t clock, struct timespec *time)
{
	if (syscall(SYS_clock_gettime, clock, time) != 0)
		return -1;
	if (clock == CLOCK_MONOTONIC && ahead != NULL)
		time->tv_sec += ahead[1];
	return 0;
}

int
gettimeofday(struct timeval *restrict time, void *restrict zone)
{
	struct timespec now;

	(void) zone;
	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return -1;
	time->tv_sec = now.tv_sec + (ahead == NULL ? 0 : ahead[0]);
	time->tv_usec = now.tv_nsec / 1000;
	return 0;
}
