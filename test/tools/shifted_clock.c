/*-------------------------------------------------------------------------
 *
 * shifted_clock.c
 *	  Has the server's clock be ahead of the real one, or behind it.
 *
 * To be preloaded.  CDR_TEST_CLOCK names a file of one 64-bit number: the
 * seconds that gettimeofday(), from which PostgreSQL has its timestamps, is
 * ahead.  Every process maps it, so that a test can let hours pass at any time.
 *
 *-------------------------------------------------------------------------
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
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
	memory = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (memory != MAP_FAILED)
		ahead = memory;
}

int
gettimeofday(struct timeval *restrict time, void *restrict zone)
{
	struct timespec now;

	(void) zone;
	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return -1;
	time->tv_sec = now.tv_sec + (ahead == NULL ? 0 : *ahead);
	time->tv_usec = now.tv_nsec / 1000;
	return 0;
}
