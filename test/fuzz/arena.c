/*-------------------------------------------------------------------------
 *
 * arena.c
 *	  The server's allocator for programs without a server.
 *
 * In the server, what the parser allocates goes with its memory context, and
 * so the parser frees little.  The allocator of libpgcommon never frees what
 * is not freed by hand: a fuzzer would fill the memory within a minute.  Here
 * each allocation is a malloc() of its own, so that AddressSanitizer sees its
 * bounds, and arena_reset() frees what is left.
 *
 * These functions take the place of libpgcommon's; the linker leaves its file
 * out because nothing asks for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "arena.h"

static void **blocks;
static size_t nblocks;
static size_t capacity;

static void *
remember(void *block)
{
	if (block == NULL)
		abort();
	if (nblocks == capacity)
	{
		capacity = capacity == 0 ? 1024 : capacity * 2;
		blocks = realloc(blocks, capacity * sizeof(void *));
		if (blocks == NULL)
			abort();
	}
	blocks[nblocks++] = block;
	return block;
}

/* Takes a block out of the list; a block that is not in it is a bug. */
static void
forget(void *block)
{
	for (size_t i = nblocks; i > 0; i--)
	{
		if (blocks[i - 1] == block)
		{
			blocks[i - 1] = blocks[--nblocks];
			return;
		}
	}
	abort();
}

void
arena_reset(void)
{
	while (nblocks > 0)
		free(blocks[--nblocks]);
}

void
arena_keep(void)
{
	nblocks = 0;
}

void *
pg_malloc(size_t size)
{
	return remember(malloc(size == 0 ? 1 : size));
}

void *
pg_malloc0(size_t size)
{
	return remember(calloc(1, size == 0 ? 1 : size));
}

void *
pg_malloc_extended(size_t size, int flags)
{
	return (flags & MCXT_ALLOC_ZERO) != 0 ? pg_malloc0(size) : pg_malloc(size);
}

void *
pg_realloc(void *block, size_t size)
{
	if (block != NULL)
		forget(block);
	return remember(realloc(block, size == 0 ? 1 : size));
}

void
pg_free(void *block)
{
	if (block == NULL)
		return;
	forget(block);
	free(block);
}

char *
pg_strdup(const char *text)
{
	return pnstrdup(text, strlen(text));
}

void *
palloc(Size size)
{
	return pg_malloc(size);
}

void *
palloc0(Size size)
{
	return pg_malloc0(size);
}

void *
palloc_extended(Size size, int flags)
{
	return pg_malloc_extended(size, flags);
}

void *
repalloc(void *block, Size size)
{
	return pg_realloc(block, size);
}

void
pfree(void *block)
{
	pg_free(block);
}

char *
pstrdup(const char *text)
{
	return pnstrdup(text, strlen(text));
}

char *
pnstrdup(const char *text, Size size)
{
	size_t length = strnlen(text, size);
	char  *copy = pg_malloc(length + 1);

	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}
