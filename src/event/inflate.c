/*-------------------------------------------------------------------------
 *
 * inflate.c
 *	  Bytes that were compressed with gzip or deflate, as they were before.
 *
 * A kilobyte can stand for a megabyte, and nothing in it says so before it is
 * read: what comes out is counted, and reading ends where it is too much.
 *
 * Memory.  zlib's is the current context's, too, so that nothing is lost where
 * an allocation fails.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <zlib.h>

#include "base/compat.h"
#include "event/inflate.h"

/* How zlib is told what it reads. */
#define WINDOW_GZIP (15 + 16)
#define WINDOW_ZLIB 15
#define WINDOW_RAW	(-15)

/* Bytes to begin with, and between two looks at interrupts. */
#define ROOM_LEAST 4096
#define STRIDE	   (256 * 1024)

static void *
allocate(void *opaque, uInt items, uInt size)
{
	return palloc((Size) items * size);
}

static void
release(void *opaque, void *memory)
{
	pfree(memory);
}

/* What has come out so far. */
typedef struct Output
{
	char  *bytes;
	size_t length;
	size_t capacity;
	size_t limit;
} Output;

/* Makes room for more, up to one byte above the limit. */
static void
make_output_room(Output *out)
{
	size_t capacity = Min(out->capacity * 2, out->limit + 1);

	if (out->length < out->capacity)
		return;
	out->bytes = repalloc(out->bytes, capacity);
	out->capacity = capacity;
}

/*
 * Reads to the end of one stream.  Returns NULL, or the problem; there is none
 * in what is too large, which is seen by its length.
 */
static const char *
read_stream(z_stream *stream, Output *out)
{
	int result;

	do
	{
		uInt room;

		CDR_CHECK_FOR_INTERRUPTS();
		make_output_room(out);
		room = (uInt) Min(out->capacity - out->length, STRIDE);
		stream->next_out = (Bytef *) out->bytes + out->length;
		stream->avail_out = room;
		result = inflate(stream, Z_NO_FLUSH);
		out->length += room - stream->avail_out;
		if (out->length > out->limit)
			return NULL;
	} while (result == Z_OK);

	switch (result)
	{
		case Z_STREAM_END:
			return NULL;
		case Z_BUF_ERROR:
			return "unexpected end";
		case Z_NEED_DICT:
			return "needs a dictionary";
		default:
			return stream->msg != NULL ? stream->msg : "invalid data";
	}
}

/* All streams, one behind the other. */
static const char *
read_streams(z_stream *stream, bool is_gzip, Output *out)
{
	const char *problem = read_stream(stream, out);

	while (problem == NULL && out->length <= out->limit && is_gzip &&
		   cdr_is_gzip((const char *) stream->next_in, stream->avail_in))
	{
		(void) inflateReset(stream);
		problem = read_stream(stream, out);
	}
	return problem;
}

static CdrInflated
inflate_window(int window, const char *bytes, size_t length, size_t limit)
{
	CdrInflated result = {.problem = "invalid data"};
	Output		out = {.limit = limit};
	z_stream	stream = {.zalloc = allocate, .zfree = release};

	stream.next_in = (Bytef *) unconstify(char *, bytes);
	stream.avail_in = (uInt) length;
	if (inflateInit2(&stream, window) != Z_OK)
		return result;
	out.capacity = Min(Max(length * 4, ROOM_LEAST), limit + 1);
	out.bytes = palloc(out.capacity);

	result.problem = read_streams(&stream, window == WINDOW_GZIP, &out);
	(void) inflateEnd(&stream);
	result.too_large = result.problem == NULL && out.length > limit;
	if (result.too_large)
		result.problem = "too large";
	if (result.problem != NULL)
	{
		pfree(out.bytes);
		return result;
	}
	result.bytes = out.bytes;
	result.length = out.length;
	return result;
}

/* The first two bytes of zlib's wrapping check each other. */
static bool
has_zlib_header(const char *bytes, size_t length)
{
	unsigned int first;
	unsigned int second;

	if (length < 2)
		return false;
	first = (unsigned char) bytes[0];
	second = (unsigned char) bytes[1];
	return (first & 0x0f) == Z_DEFLATED && (first * 256 + second) % 31 == 0;
}

CdrInflated
cdr_inflate(CdrCompression how, const char *bytes, size_t length, size_t limit)
{
	CdrInflated wrapped;
	CdrInflated raw;

	if (how == CDR_GZIP)
		return inflate_window(WINDOW_GZIP, bytes, length, limit);

	/* bare deflate may begin with any two bytes */
	if (!has_zlib_header(bytes, length))
		return inflate_window(WINDOW_RAW, bytes, length, limit);
	wrapped = inflate_window(WINDOW_ZLIB, bytes, length, limit);
	if (wrapped.problem == NULL || wrapped.too_large)
		return wrapped;
	raw = inflate_window(WINDOW_RAW, bytes, length, limit);
	return raw.problem == NULL || raw.too_large ? raw : wrapped;
}
